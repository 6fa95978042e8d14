"""An experiment: its run folder, and its stages, run in order, skipped or resumed."""

from pathlib import Path

from omegaconf import DictConfig

from data import DataModule
from ldm.config.compose import ConfigError, overridden
from ldm.run.checks import check_sampler, check_stages
from ldm.run.folder import Run, read_config
from ldm.run.parts import (
    Parts,
    build_data,
    build_guidance,
    build_sampler,
    load_prior,
    load_tokenizer,
)
from ldm.run.stages import STAGES

__all__ = ["Parts", "Run", "load_run", "train_stages"]


def train_stages(config: DictConfig, data: DataModule | None = None) -> Parts:
    """Run the stages that are not finished, in order; the parts have their averaged weights.

    Args:
        config: of the experiment.
        data: that it names, where somebody has built it, and fetched what it is read from.

    Raises:
        ConfigError, DataError, BadCheckpoint: before any training.
    """
    run = Run(config.run)
    stages = list(config.stages) if config.stage is None else [config.stage]
    if unknown := set(stages) - STAGES.keys():
        raise ConfigError(f"no stage {', '.join(unknown)}: choose from {', '.join(STAGES)}")
    if data is None:
        data = build_data(config)
        data.prepare_data()
    data.setup()
    check_stages(config, run, data, stages)
    for name in stages:
        run.keep_config(name, config)
        if not run.model(name).is_file():
            STAGES[name](config, run, data)
    return load_parts(config, run, data)


def load_run(folder: str | Path, overrides: list[str]) -> Parts:
    """The trained parts of a run folder, some of its configuration overridden.

    Raises:
        ConfigError: no such run, or its configuration is not to be trusted.
        BadCheckpoint: a stage is not finished, or its file is damaged.
    """
    run = Run(folder)
    found = sorted(run.folder.glob("*/config.yaml"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise ConfigError(f"no run at {run.folder}: train one with train.py experiment=...")
    config = read_config(found[-1])
    try:
        overridden(config, ())
    except ConfigError as error:
        raise ConfigError(f"{found[-1]} is not as training wrote it: {error}") from error
    config = overridden(config, overrides)
    config.run = str(run.folder)
    return load_parts(config, run, build_data(config))


def load_parts(config: DictConfig, run: Run, data: DataModule) -> Parts:
    """Finished stages of a run, ready for use."""
    wanted = [run.model(name) for name in config.stages if name != "prior"]
    if missing := [path for path in wanted if not path.is_file()]:
        raise ConfigError(f"{run.folder} is not trained to its end: {missing[0]} is missing")
    parts = Parts(config, data, load_tokenizer(config, run.tokenizer(config)))
    if "prior" in config.stages and run.model("prior").is_file():
        check_sampler(config, parts.tokenizer)
        parts.prior = load_prior(config, parts.tokenizer, run.model("prior"))
        parts.sampler, parts.guidance = build_sampler(config), build_guidance(config)
    return parts
