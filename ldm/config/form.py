"""Form of a configuration: which keys hold parts, which hold plain values."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from ldm.config.groups import keys_of, members
from ldm.config.signatures import ConfigError, check_type, suggest

__all__ = ["check_form"]

GROUPS = ("data", "tokenizer", "prior", "sampler", "eval", "trainer")
ALWAYS = ("guidance", "sampling", "running")  # in train.yaml

STAGE_KINDS: dict[str, Any] = {
    "on": str | None,
    "given": dict[str, str] | None,
    "checkpoint": str | None,
    "resize_classes": bool | None,
}
"""Types of the keys of a stage's node that are not arguments of its model."""


def check_form(config: DictConfig) -> None:
    """Check that parts have a `_target_`, and that stages and their own keys are of their types.

    Raises:
        ConfigError: with the place, and what it must be.
    """
    stages = list(config.stages)
    if not stages:
        raise ConfigError("stages is empty: name one or more, such as stages=[tokenizer,prior]")
    if len(set(stages)) < len(stages):
        raise ConfigError(f"stages names a stage twice: {', '.join(stages)}")
    for name in GROUPS:
        node = config.get(name)
        if node is not None and not _is_part(node):
            raise ConfigError(f"{name} has no _target_: choose {name}={' | '.join(members(name))}")
    for name in ALWAYS:
        if not _is_part(config.get(name)):
            raise ConfigError(f"{name} must have a _target_, got {config.get(name)}")
    loggers = config.get("logger")
    holds = isinstance(loggers, DictConfig) and all(map(_is_part, loggers.values()))
    if loggers is not None and not holds:
        raise ConfigError(
            f"each entry of logger must have a _target_, got {loggers}: choose "
            f"logger={' | '.join(members('logger'))}"
        )
    for name in dict.fromkeys(("tokenizer", "prior", *stages)):
        node = config.get(name)
        training = node.get("training") if isinstance(node, DictConfig) else None
        if training is not None and not _is_part(training):
            raise ConfigError(f"{name}.training must be null or have a _target_, got {training}")
        for key, kind in STAGE_KINDS.items():
            if isinstance(node, DictConfig) and key in node:
                value = node[key]
                plain = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
                check_type(f"{name}.{key}", plain, kind)
    _check_allowed(config, stages)


def _is_part(node: Any) -> bool:
    return isinstance(node, DictConfig) and "_target_" in node


def _check_allowed(config: DictConfig, stages: list[str]) -> None:
    """Refuse keys in `allow_change` that are no settings of a stage's training."""
    known = [
        key
        for name in stages
        if isinstance(config.get(name), DictConfig)
        for key in keys_of(config[name].get("training"), f"{name}.training")
    ]
    for key in config.get("allow_change") or ():
        if key not in known:
            raise ConfigError(
                f"allow_change is for settings of a stage's training, got {key!r}"
                f"{suggest(key, known)}"
            )
