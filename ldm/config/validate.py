"""Validation of configurations before anything is built: allowed targets, keys and types."""

import inspect
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import hydra
from omegaconf import DictConfig, ListConfig, OmegaConf

from ldm.config.form import check_form
from ldm.config.groups import members, root
from ldm.config.signatures import ConfigError, check_arguments, check_type, refuse_unknown

__all__ = [
    "ALLOWED",
    "STAGE_KEYS",
    "allow",
    "allowed",
    "check_seed",
    "check_targets",
    "locate",
    "targets",
    "validate",
]

ALLOWED = (
    "ldm",
    "data",
    "eval",
    "torch.nn",
    "torch.optim",
    "diffusers.schedulers",
)
"""Packages whose classes a configuration may name; a downloaded run folder can call nothing else.
Functions are excluded, since some of them write files."""

STAGE_KEYS = {
    "checkpoint",
    "resize_classes",
    "training",
    "on",
    "given",
    "window",
    "sampler",
    "guidance",
}
"""Keys of a stage's node that are not arguments of its model."""

KINDS = {
    "run": str,
    "seed": int,
    "stages": list[str],
    "stage": str | None,
    "describe": bool,
    "allow_change": list[str] | None,  # None: of a run of an older version
}
"""Types of the top-level keys outside groups."""


def allow(packages: str) -> None:
    """Allow configurations in this process and its children to name a user's own packages.

    Only the command line and the environment variable LDM_ALLOW can do so, never a run folder.

    Args:
        packages: `my_package`, or `[my_package,another]`.
    """
    named = [one.strip() for one in packages.strip("[]").split(",") if one.strip()]
    os.environ["LDM_ALLOW"] = ",".join(dict.fromkeys([*_own(), *named]))


def allowed() -> tuple[str, ...]:
    """Packages whose classes configurations may name, including the user's own."""
    return (*ALLOWED, *_own())


def _own() -> list[str]:
    return [name for name in os.environ.get("LDM_ALLOW", "").split(",") if name]


def validate(config: DictConfig, finished: bool = False) -> None:
    """Check that every target is allowed and accepts its arguments.

    Args:
        config: of an experiment.
        finished: True for that of a finished run. What only training and scoring build is then
            checked by its name alone, so that sampling does not wait for the imports of Lightning.

    Raises:
        ConfigError: with the place, and the nearest valid name or the expected type.
    """
    plain = OmegaConf.to_object(config)
    for key, kind in KINDS.items():
        check_type(key, plain.get(key), kind)
    refuse_unknown("", config.keys(), [*_known(), *_own_stages(config)])
    if config.run == "":
        raise ConfigError("run is empty: name a folder, run=runs/mine")
    _check_seeds(config)
    check_form(config)
    for group in ("data", "tokenizer", "prior", "eval", "trainer"):
        asked = group in (config.stages if config.stage is None else [config.stage])
        if config.get(group) is None and (asked or group != "prior"):
            raise ConfigError(f"no {group} is named: {group}={' | '.join(members(group))}")
    nodes = list(targets(config))
    for place, node in nodes:
        check_type(f"{place}._target_", node["_target_"], str)
        _refuse_foreign(node["_target_"], place)
    check_targets((place, node) for place, node in nodes if not (finished and _of_training(place)))


def _known() -> list[str]:
    """Keys and groups of train.yaml."""
    groups = [next(iter(d)) for d in root().defaults if isinstance(d, DictConfig)]
    return [*(key for key in root() if key != "defaults"), *groups]


def check_targets(nodes: Iterable[tuple[str, DictConfig]]) -> None:
    """Check that targets are allowed and accept their arguments.

    Args:
        nodes: places and nodes, each with a `_target_`.

    Raises:
        ConfigError: with the place, and the nearest valid name or the expected type.
    """
    located = [(place, node, locate(node["_target_"], place)) for place, node in nodes]
    for place, node, target in located:
        extra = set() if "." in place else STAGE_KEYS
        given = OmegaConf.to_container(node)
        check_arguments(place, target, {k: v for k, v in given.items() if k not in extra})
    for place, node, target in located:  # only now: all targets are known to be allowed
        if check_node := getattr(target, "check_node", None):
            check_node(place, OmegaConf.to_container(node))


def _of_training(place: str) -> bool:
    first, *rest = place.split(".")
    return first in ("trainer", "logger", "eval", "running") or rest[:1] == ["training"]


def check_seed(seed: Any, place: str = "seed") -> None:
    """Refuse a seed that the generators do not take.

    Raises:
        ConfigError: it is negative, or has more than 63 bits.
    """
    if isinstance(seed, int) and not 0 <= seed < 2**63:
        raise ConfigError(f"{place} must be at least 0 and below 2^63, got {seed}")


def _check_seeds(node: Any, place: str = "") -> None:
    if isinstance(node, DictConfig):
        for key, child in node.items():
            where = f"{place}.{key}" if place else str(key)
            if str(key).rpartition("_")[2] == "seed":
                check_seed(child, where)
            _check_seeds(child, where)


def _own_stages(config: DictConfig) -> list[str]:
    """Names of stages, and of models they depend on, which an experiment adds to the groups."""
    names = [name for name in config.get("stages") or () if name in config]
    for node in (config.get(key) for key in list(config)):
        if isinstance(node, DictConfig) and "_target_" in node:
            given = node.get("given")
            names += [node.get("on"), *(given.values() if isinstance(given, DictConfig) else ())]
    return [str(name) for name in names if name is not None]


def locate(name: str, place: str = "") -> Callable[..., Any]:
    """Find the class with this dotted name; a function, too, in a package of the user's own.

    Raises:
        ConfigError: it does not exist, or its package is not allowed.
    """
    _refuse_foreign(name, place)
    try:
        target = hydra.utils.get_object(name)
    except Exception as error:  # whatever importing a module may raise
        reason = " ".join(str(error).split())
        raise ConfigError(f"{place}._target_={name} cannot be found: {reason}") from error
    # A name can lead out of its package, as data.images.folder.os.system does: check its module.
    home = getattr(target, "__module__", None) or ""
    packages = allowed() if inspect.isclass(target) else _own()
    if not callable(target) or not _within(home, packages):
        raise ConfigError(_refusal(name, place))
    return target


def _refuse_foreign(name: str, place: str) -> None:
    """Refuse a dotted name outside the allowed packages, without importing anything."""
    if not _within(name, allowed()) and not _within(name, ["diffusers"]):
        raise ConfigError(_refusal(name, place))


def _refusal(name: str, place: str) -> str:
    return (
        f"{place or 'config'}._target_={name} is refused: targets must be classes of "
        f"{', '.join(allowed())}; for a package of your own that you trust, add "
        f"allow=[{name.partition('.')[0]}] to the command"
    )


def _within(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def targets(node: Any, place: str = "") -> Iterator[tuple[str, DictConfig]]:
    """Places and nodes with a `_target_`, in this node and below it."""
    if isinstance(node, DictConfig):
        if "_target_" in node:
            yield place, node
        children = node.items()
    elif isinstance(node, ListConfig):
        children = enumerate(node)
    else:
        return
    for key, child in children:
        yield from targets(child, f"{place}.{key}" if place else str(key))
