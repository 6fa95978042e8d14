"""Configurations: composed by Hydra, checked before anything is built."""

import inspect
import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any

import hydra
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from ldm.config.groups import CONFIGS, keys_of, members
from ldm.config.hints import exchanged, explain, unfit
from ldm.config.signatures import ConfigError, check_arguments, check_type, refuse_unknown, suggest

__all__ = [
    "ConfigError",
    "compose",
    "jobs",
    "name_run",
    "overridden",
    "resolved",
    "validate",
]

logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # our errors say it all

ALLOWED = (
    "ldm",
    "data",
    "eval",
    "torch.nn",
    "torch.optim",
    "diffusers.schedulers",
)
"""Packages whose classes a configuration may name: one that came with a run can call nothing else.
Functions are another matter, some of them write files."""

FUNCTIONS = ("ldm.training.records",)
"""Modules of which functions may be named, too: makers of loggers."""

STAGE_KEYS = {"checkpoint", "training"}  # what a stage has beside the arguments of its model

KINDS = {"run": str, "seed": int, "stages": list[str], "stage": str | None, "describe": bool}
"""Types of what belongs to no group."""


def compose(overrides: Iterable[str], sweep: bool = False) -> DictConfig:
    """The configuration that `experiment=...` and further overrides name, checked.

    Without an experiment, `run` names the folder and each group is named apart.

    Args:
        overrides: as on the command line.
        sweep: whether it is that of one job of a sweep, whose folder is named after its overrides.

    Raises:
        ConfigError: an unknown key, group member, target or argument; the nearest one is suggested.
    """
    overrides = list(overrides)
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        try:
            config = hydra_compose("train", overrides, return_hydra_config=True)
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            raise ConfigError(explain(error, overrides)) from error
    experiment = config.hydra.runtime.choices.get("experiment")
    OmegaConf.set_struct(config, False)
    del config["hydra"]
    name_run(config, experiment, overrides if sweep else ())
    try:
        return resolved(config)
    except ConfigError as error:
        raise ConfigError(f"{error}{exchanged(experiment, overrides)}") from error


def jobs(overrides: Iterable[str]) -> list[list[str]]:
    """The overrides of each job of a sweep: all combinations of the values that they name.

    Raises:
        ConfigError: an override cannot be read.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise ConfigError(str(error)) from error
    choices = [
        [f"{one.get_key_element()}={value}" for value in one.sweep_string_iterator()]
        if one.is_discrete_sweep()
        else [one.input_line]
        for one in parsed
    ]
    return [list(job) for job in product(*choices)]


def name_run(config: DictConfig, experiment: str | None, job: Iterable[str] = ()) -> None:
    """Set the run folder: the one that is given, else that of the experiment.

    Args:
        config: whose `run` is set.
        experiment: its name, if it has one.
        job: overrides of one job of a sweep; its folder is named after them, too.

    Raises:
        ConfigError: there is neither.
    """
    if config.run is None and experiment is None:
        raise ConfigError(f"name an experiment: experiment={' | '.join(members('experiment'))}")
    if config.run is None:
        config.run = f"runs/{experiment}"
    own = ("experiment=", "run=", "describe=", "hydra.", "hydra/")
    config.run = ",".join([config.run, *sorted(one for one in job if not one.startswith(own))])


def resolved(config: DictConfig) -> DictConfig:
    """A copy without interpolations, checked."""
    try:
        OmegaConf.resolve(config := config.copy())
    except InterpolationKeyError as error:
        raise ConfigError(unfit(config, str(error))) from error
    except OmegaConfBaseException as error:
        raise ConfigError(str(error)) from error
    if missing := sorted(OmegaConf.missing_keys(config)):
        raise ConfigError(f"nothing is set for {', '.join(missing)}: {missing[0]}=...")
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
                raise ConfigError(f"no {key} {value!r}{suggest(value, members(key))}")
            config[key] = _group(key, value)
        elif OmegaConf.select(config, key, default=inspect) is inspect:
            raise ConfigError(f"unknown key {key!r}{suggest(key, keys_of(config))}")
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
        ConfigError: with the place, and the nearest right name or the type that is expected.
    """
    root = OmegaConf.load(CONFIGS / "train.yaml")
    known = [key for key in root if key != "defaults"]
    known += [next(iter(d)) for d in root.defaults if isinstance(d, DictConfig)]
    refuse_unknown("", config.keys(), known)
    for key, kind in KINDS.items():
        check_type(key, OmegaConf.to_object(config).get(key), kind)
    if config.run == "":
        raise ConfigError("run is empty: name a folder, run=runs/mine")
    if config.seed < 0:
        raise ConfigError(f"seed must not be negative, got {config.seed}")
    needed = ["data", "tokenizer", "eval", "trainer"]
    if "prior" in (config.stages if config.stage is None else [config.stage]):
        needed += ["prior", "sampler"]
    for group in needed:
        if config.get(group) is None:
            raise ConfigError(f"no {group} is named: {group}={' | '.join(members(group))}")
    for place, node in _targets(config):
        target = locate(node["_target_"], place)
        extra = set() if "." in place else STAGE_KEYS
        given = OmegaConf.to_container(node)
        check_arguments(place, target, {k: v for k, v in given.items() if k not in extra})
    for place, node in _targets(config):  # all of them may be looked up by now
        if check_node := getattr(locate(node["_target_"], place), "check_node", None):
            check_node(place, OmegaConf.to_container(node))


def locate(name: str, place: str = "") -> Callable[..., Any]:
    """The class of a dotted name, or the maker of a logger, if it is of an allowed package.

    Raises:
        ConfigError: not there, or not allowed.
    """
    allowed = f"targets must be classes of {', '.join(ALLOWED)}"
    refused = f"{place or 'config'}._target_={name} is refused: {allowed}"
    if not _within(name, ALLOWED) and not _within(name, ["diffusers"]):
        raise ConfigError(refused)
    try:
        target = hydra.utils.get_object(name)
    except Exception as error:  # whatever importing a module may raise
        reason = " ".join(str(error).split())
        raise ConfigError(f"{place}._target_={name} cannot be found: {reason}") from error
    # A name may lead out of its package, as data.images.folder.os.system does: its home decides.
    home = getattr(target, "__module__", None) or ""
    packages = ALLOWED if inspect.isclass(target) else FUNCTIONS
    if not callable(target) or not _within(home, packages):
        raise ConfigError(refused)
    return target


def _within(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


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
