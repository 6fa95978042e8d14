"""Running an experiment: parts are built once and checked, then stages train, or resume."""

from collections.abc import Callable

from omegaconf import DictConfig

from data import DataModule
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.hub import start_from, weights
from ldm.priors import Prior
from ldm.run.checks import check_folders, check_training
from ldm.run.folder import Run
from ldm.run.loading import load_model, load_parts
from ldm.run.models import build_models
from ldm.run.parts import Parts
from ldm.run.sampling import check_sampler
from ldm.run.stages import build_training, train_stage
from ldm.training import Training

__all__ = ["prepare", "train_stages"]


def train_stages(
    config: DictConfig, data: DataModule, check: Callable[[Parts], None] = lambda parts: None
) -> Parts:
    """Train the unfinished stages in order; returns the parts with their averaged weights.

    Every part is built once; all parts are checked before the first stage trains.

    Args:
        config: of the experiment.
        data: its data module, prepared.
        check: further checks of the parts, before any training.

    Raises:
        ConfigError, DataError, BadCheckpoint: before any training.
    """
    run = Run(config.run)
    stages = list(config.stages) if config.stage is None else [config.stage]
    if unknown := set(stages) - set(config.stages):
        raise ConfigError(f"no stage {', '.join(unknown)}: choose from {', '.join(config.stages)}")
    data.setup()
    parts = Parts(config, data, build_models(config, data, stages))
    check_folders(parts, run, stages)
    trainings = prepare(parts, run, stages)
    check(parts)
    for name in stages:
        run.keep_config(name, config)
        if not run.model(name).is_file():
            train_stage(parts, run, name, trainings[name])
    return load_parts(parts, run)


def prepare(parts: Parts, run: Run, stages: list[str]) -> dict[str, Training | None]:
    """Load finished stages, and build and check the training of all others."""
    trainings: dict[str, Training | None] = {}
    for name in stages:
        run.check_config(name, parts.config)
    for name in parts.models:
        if name not in stages or run.model(name).is_file():
            load_model(parts, run, name)
            continue
        if run.checkpoint(name).is_file():
            weights.check_resumable(run.checkpoint(name))
        else:
            _start(parts, name)
        trainings[name] = build_training(parts, name)
        if trainings[name] is not None:
            check_training(parts, name, trainings[name])
    for name, model in parts.models.items():
        if isinstance(model, Prior):
            check_sampler(parts.config, name, model, parts.data)
    return trainings


def _start(parts: Parts, name: str) -> None:
    """Load the weights that a stage's training starts from, if its `checkpoint` names some."""
    node = parts.config[name]
    if node.get("checkpoint") is not None:
        resize = bool(node.get("resize_classes"))
        said = start_from(node.checkpoint, parts.models[name], name, resize)
        if distributed.rank() == 0:
            print(said, flush=True)
