"""Differences between the configuration that a stage was begun with and another one."""

import inspect
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ldm.config.lineage import lineage
from ldm.config.signatures import ConfigError
from ldm.config.validate import locate

__all__ = ["changes", "differences", "flat"]

NO_MATTER = (".workers", ".resize_classes", ".process.sample_eps")
"""Ends of the keys that a begun stage does not depend on."""


def changes(before: DictConfig, now: DictConfig, stage: str) -> list[tuple[str, Any, Any]]:
    """Differences in settings that affect what a stage learns: see `differences`."""
    old, new = (
        OmegaConf.masked_copy(one, ["seed", "data", *lineage(one, stage)]) for one in (before, now)
    )
    return [one for one in differences(old, new) if not one[0].endswith(NO_MATTER)]


def differences(before: DictConfig, now: DictConfig) -> list[tuple[str, Any, Any]]:
    """Differences between two configurations: full key, old and new value.

    A key that only one of both has, such as one of a newer version, has the default value of its
    constructor in the other.
    """
    old, new = (dict(flat(OmegaConf.to_container(one))) for one in (before, now))
    pairs = (
        (key, _value(old, before, key), _value(new, now, key)) for key in sorted(old.keys() | new)
    )
    return [(key, one, other) for key, one, other in pairs if one != other]


def _value(settings: dict[str, Any], config: DictConfig, key: str) -> Any:
    if key in settings:
        return settings[key]
    place, _, name = key.rpartition(".")
    node = OmegaConf.select(config, place) if place else None
    if not isinstance(node, DictConfig) or "_target_" not in node:
        return None
    return _default(node["_target_"], name)


def _default(target: str, name: str) -> Any:
    """Find the default of a constructor's argument; None if it has none."""
    try:
        found = locate(target)
    except ConfigError:
        return None
    for one in found.__mro__ if inspect.isclass(found) else [found]:
        parameter = inspect.signature(one).parameters.get(name)
        if parameter is not None and parameter.default is not parameter.empty:
            default = parameter.default
            return list(default) if isinstance(default, tuple) else default
    return None


def flat(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Full keys and values of nested dictionaries; lists are values."""
    if isinstance(node, dict):
        for key, child in node.items():
            yield from flat(child, f"{place}.{key}" if place else key)
    else:
        yield place, node
