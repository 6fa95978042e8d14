"""Running an experiment: parts are built once and checked, then stages train, or resume."""

from collections.abc import Callable

from omegaconf import DictConfig

from data import DataModule
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.hub import weights
from ldm.hub.start import start_from
from ldm.priors import Prior
from ldm.run.checks import check_folders, check_training
from ldm.run.folder import Run
from ldm.run.loading import latent_space, load_model, load_parts
from ldm.run.models import build_models
from ldm.run.parts import Parts
from ldm.run.resuming import check_changes, check_length
from ldm.run.sampling import check_sampler
from ldm.run.stages import build_training, train_stage
from ldm.training import Training
from ldm.training.checkpoints import check_fits

__all__ = ["prepare", "train_stages"]


def train_stages(
    config: DictConfig,
    data: DataModule,
    check: Callable[[Parts], None] = lambda parts: None,
    running: Callable[[Parts], dict[str, float]] = lambda parts: {},
) -> Parts:
    """Train the unfinished stages in order; returns the parts with their averaged weights.

    Every part is built once; all parts are checked before the first stage trains.

    Args:
        config: of the experiment.
        data: its data module, prepared.
        check: further checks of the parts, before any training.
        running: scores the parts of a prior in training at each of its records, on all ranks.

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
    for name in parts.models:
        if name not in stages:
            _adopt(parts, run, name)
    for name in stages:
        if name in trainings:
            run.keep_config(name, config, run.seen(name))
            run.keep_environment(name, run.seen(name))
            train_stage(parts, run, name, trainings[name], running)
        else:
            run.keep_config(name, config)
    return load_parts(parts, run)


def prepare(parts: Parts, run: Run, stages: list[str]) -> dict[str, Training | None]:
    """Load finished stages, and build and check the training of all others."""
    trainings: dict[str, Training | None] = {}
    for name in stages:
        check_changes(parts.config, run, name)
    for name in parts.models:
        if name not in stages or run.finished(name, parts.config):
            load_model(parts, run, name)
            continue
        if run.checkpoint(name).is_file():
            weights.check_resumable(run.checkpoint(name))
        else:
            _start(parts, name)
        trainings[name] = training = build_training(parts, name)
        if training is not None:
            check_length(parts.config, run, name, training)
            check_training(parts, name, training)
            if run.checkpoint(name).is_file():
                check_fits(run.checkpoint(name), training)
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
        if distributed.leads():
            print(said, flush=True)


def _adopt(parts: Parts, run: Run, name: str) -> None:
    """Copy the weights that a stage's `checkpoint` names, so that the run needs no other folder."""
    given, path = parts.config[name].get("checkpoint"), run.model(name)
    if given is None or not distributed.leads() or run.trained(name, given):
        return
    if path.is_file() and "checkpoint" not in weights.read_facts(path):
        return  # trained here, from something else
    facts = {"space": repr(latent_space(parts.models[name])), "checkpoint": str(given)}
    weights.save(path, parts.models[name], facts)
    run.keep_config(name, parts.config)
