"""Going on with a begun stage under a configuration that has changed."""

from omegaconf import DictConfig

from ldm.config.lineage import lineage
from ldm.config.signatures import ConfigError
from ldm.run.folder import Run
from ldm.training import Training

__all__ = ["check_changes", "check_length"]

PROBES = 1000  # steps at which two lengths of a training are compared


def check_changes(config: DictConfig, run: Run, name: str) -> None:
    """Refuse changes with which a begun stage cannot go on.

    A larger `<stage>.training.samples` is let through, see `check_length`, and so are the keys
    below `<stage>.training` that `allow_change` names, if the stage is not finished.

    Raises:
        ConfigError: the message names the changed keys, and says what to do.
    """
    changed = run.changed(name, config)
    if not changed:
        return
    length, own = f"{name}.training.samples", f"{name}.training."
    allowed = [key for key in config.get("allow_change") or () if key.startswith(own)]
    refused = [
        key
        for key, before, now in changed
        if key not in allowed and not (key == length and before is not None and now > before)
    ]
    ways = "choose another folder with run=..., or delete that one"
    if refused:
        if all(key.startswith(own) for key in refused):
            keys = ",".join([*allowed, *refused])
            ways += f"; to change it all the same, and have it recorded, add allow_change=[{keys}]"
        raise ConfigError(
            f"{run.stage(name)} was begun with another configuration of {', '.join(refused)}: "
            f"{ways}"
        )
    keys = ", ".join(key for key, *_ in changed)
    if run.finished(name, config):
        raise ConfigError(
            f"{run.stage(name)} is finished, so a change of {keys} would do nothing: raise "
            f"{length} as well, or {ways}"
        )
    for other in config.stages:
        if other != name and run.begun(other) and name in lineage(config, other):
            raise ConfigError(
                f"the {other} in {run.folder} was trained on the latents of the {name} as it is, "
                f"so {keys} cannot change any more: {ways}"
            )


def check_length(config: DictConfig, run: Run, name: str, training: Training) -> None:
    """Refuse a new length with which the steps taken so far would have been others.

    So a training that goes on ends as one that had its new length from the start.

    Args:
        config: of the experiment.
        run: whose folder the stage is in.
        name: of the stage.
        training: of the new length.

    Raises:
        ConfigError: a schedule depends on the length, as a cosine does after its warm-up.
    """
    length = f"{name}.training.samples"
    before = {key: old for key, old, _ in run.changed(name, config)}.get(length)
    if before is None or length in (config.get("allow_change") or ()):
        return
    seen = run.seen(name)
    steps = range(0, seen, training.batch_size)
    for at in {*steps[:: -(-len(steps) // PROBES) or 1], *steps[-1:]}:
        if training.pace(at, before) != training.pace(at, training.samples):
            raise ConfigError(
                f"{length} cannot change from {before:,} to {training.samples:,}: a schedule in "
                f"{name}.training depends on the length, and {seen:,} samples have been seen at "
                f"the pace of the old one; train anew in another folder, run=..., or take "
                f"responsibility for the jump with allow_change=[{length}]"
            )
