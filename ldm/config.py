"""Configurations: composed by Hydra, checked before anything is built."""

import difflib
import inspect
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import hydra
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

__all__ = ["CONFIGS", "ConfigError", "compose", "overridden", "validate"]

CONFIGS = Path(__file__).resolve().parents[1] / "configs"

ALLOWED = (
    "ldm",
    "data",
    "eval",
    "torch.nn",
    "torch.optim",
    "diffusers.schedulers",
)
"""Packages that a configuration may name: one that came with a run can call nothing else."""

HYDRA_KEYS = {"_target_", "_partial_", "_args_", "_convert_"}
STAGE_KEYS = {"checkpoint", "training"}  # what a stage has beside the arguments of its model


class ConfigError(ValueError):
    """A configuration is wrong; the message says where, and what is right."""


def compose(overrides: Iterable[str]) -> DictConfig:
    """The configuration that `experiment=...` and further overrides name, checked.

    Raises:
        ConfigError: an unknown key, group member, target or argument; the nearest one is suggested.
    """
    overrides = list(overrides)
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        try:
            config = hydra_compose("train", overrides, return_hydra_config=True)
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(_explain(error, overrides)) from error
    experiment = config.hydra.runtime.choices.get("experiment")
    OmegaConf.set_struct(config, False)
    del config["hydra"]
    if experiment is None:
        raise ConfigError(f"name an experiment: experiment={' | '.join(members('experiment'))}")
    if config.run is None:
        config.run = f"runs/{experiment}"
    return resolved(config)


def resolved(config: DictConfig) -> DictConfig:
    """A copy without interpolations, checked."""
    try:
        OmegaConf.resolve(config := config.copy())
    except OmegaConfBaseException as error:
        raise ConfigError(str(error)) from error
    validate(config)
    return config


def overridden(config: DictConfig, overrides: Iterable[str]) -> DictConfig:
    """A run's configuration with `group=member` and `key=value` overrides, checked.

    Raises:
        ConfigError: an override is no `key=value`, or its key or member is unknown.
    """
    config = config.copy()
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise ConfigError(f"expected key=value, got {override!r}")
        if (CONFIGS / key).is_dir():
            if value not in members(key):
                raise ConfigError(f"no {key} {value!r}{_suggest(value, members(key))}")
            config[key] = _group(key, value)
        elif OmegaConf.select(config, key, default=inspect) is inspect:
            raise ConfigError(f"unknown key {key!r}{_suggest(key, _keys(config))}")
        else:
            OmegaConf.update(config, key, OmegaConf.from_dotlist([f"v={value}"]).v, merge=False)
    return resolved(config)


def _group(group: str, member: str) -> DictConfig:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = hydra_compose("train", [f"{group}={member}"])
    OmegaConf.set_struct(config, False)
    return config[group]


def validate(config: DictConfig) -> None:
    """Check that every target may be called and has the arguments it is given.

    Raises:
        ConfigError: with the place and the nearest right name.
    """
    root = OmegaConf.load(CONFIGS / "train.yaml")
    known = [key for key in root if key != "defaults"]
    known += [next(iter(d)) for d in root.defaults if isinstance(d, DictConfig)]
    _refuse_unknown("", config.keys(), known)
    for place, node in _targets(config):
        target = locate(node["_target_"], place)
        extra = STAGE_KEYS if place in config.stages else set()
        _check_arguments(place, target, set(node) - extra)


def locate(name: str, place: str = "") -> Callable[..., Any]:
    """The class or function of a dotted name, if it is of an allowed package.

    Raises:
        ConfigError: not there, or not allowed.
    """
    refused = f"{place or 'config'}._target_={name} is refused: targets must be of {ALLOWED}"
    if not _allowed(name) and not name.startswith("diffusers."):
        raise ConfigError(refused)
    try:
        target = hydra.utils.get_object(name)
    except Exception as error:
        raise ConfigError(f"{place}._target_={name} cannot be found: {error}") from error
    # A name may lead out of its package, as data.folder.os.system does: its home decides.
    home = getattr(target, "__module__", None) or ""
    if not callable(target) or not _allowed(home):
        raise ConfigError(refused)
    return target


def members(group: str) -> list[str]:
    """Names of a configuration group's files."""
    folder = CONFIGS / group
    return sorted(str(p.relative_to(folder).with_suffix("")) for p in folder.rglob("*.yaml"))


def _allowed(name: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in ALLOWED)


def _targets(node: Any, place: str = "") -> Iterator[tuple[str, dict]]:
    if isinstance(node, DictConfig):
        if "_target_" in node:
            yield place, node
        children = node.items()
    elif isinstance(node, ListConfig):
        children = enumerate(node)
    else:
        return
    for key, child in children:
        yield from _targets(child, f"{place}.{key}" if place else str(key))


def _check_arguments(place: str, target: Callable, given: set[str]) -> None:
    parameters: set[str] = set()
    # A constructor that takes **more hands it to the next class.
    for one in target.__mro__ if inspect.isclass(target) else [target]:
        own = inspect.signature(one).parameters.values()
        parameters |= {p.name for p in own if p.kind != p.VAR_KEYWORD}
        if not any(p.kind == p.VAR_KEYWORD for p in own):
            known = [name for name in parameters if not name.startswith("_")]
            _refuse_unknown(place, given - HYDRA_KEYS, known)
            return


def _refuse_unknown(place: str, given: Iterable[str], known: Iterable[str]) -> None:
    known = list(known)
    for key in given:
        if key not in known:
            full = f"{place}.{key}" if place else key
            raise ConfigError(f"unknown key {full!r}{_suggest(key, known)}")


def _explain(error: Exception, overrides: list[str]) -> str:
    """Hydra's complaint, with the nearest right name where one override's name is wrong."""
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if (CONFIGS / key).is_dir():
            if value not in ("", "null") and value not in members(key):
                return f"no {key} {value!r}{_suggest(value, members(key))}"
            continue
        groups = [o for o in overrides if (CONFIGS / o.partition("=")[0]).is_dir()]
        try:
            config = hydra_compose("train", groups)
        except (HydraException, OmegaConfBaseException):
            continue
        if OmegaConf.select(config, key, default=inspect) is inspect:
            return f"unknown key {key!r}{_suggest(key, _keys(config))}"
    return f"the configuration cannot be composed: {error}"


def _keys(node: Any, place: str = "") -> list[str]:
    if not isinstance(node, DictConfig):
        return []
    keys = []
    for key in node:
        full = f"{place}.{key}" if place else str(key)
        child = None if OmegaConf.is_missing(node, key) else node._get_node(key)
        keys += [full, *_keys(child, full)]
    return keys


def _suggest(wrong: str, known: Iterable[str]) -> str:
    known = [str(name) for name in known]
    near = difflib.get_close_matches(wrong, known, n=1, cutoff=0.5)
    if near:
        return f": did you mean {near[0]!r}?"
    return f": choose one of {', '.join(known[:30])}" if known else ""
