"""Composition of configurations with Hydra, and their validation before anything is built."""

import inspect
import logging
import re
from collections.abc import Iterable
from contextlib import suppress
from os import PathLike
from pathlib import Path

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ldm.config.groups import CONFIGS, is_group, keys_of, members, root, search_path
from ldm.config.hints import exchanged, explain
from ldm.config.hydra_options import check_hydra_options, check_search_path
from ldm.config.signatures import ConfigError, check_type, suggest
from ldm.config.sweeps import folder_of, parsed
from ldm.config.validate import validate
from ldm.config.yaml_files import read_yaml

__all__ = [
    "ConfigError",
    "check_keys",
    "compose",
    "name_run",
    "overridden",
    "resolved",
]

logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # our errors contain the same message

OPEN = re.compile(r"((\w+\.)?sampler(\.\w+)+|running(\.\w+)*)=")
"""Overrides that may set what no file does: a sampler's class and scorers know their options."""


def compose(overrides: Iterable[str], keys: Iterable[str] = ()) -> DictConfig:
    """Compose and validate the configuration for `experiment=...` and further overrides.

    Without an experiment, `run=...` and every group must be given.

    Args:
        overrides: as on the command line.
        keys: of a job of a sweep, those that are swept.

    Raises:
        ConfigError: an unknown key, group member, target or argument; the nearest one is suggested.
    """
    overrides = list(overrides)
    check_search_path(overrides)
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        try:
            given = [f"++{one}" if OPEN.match(one) else one for one in overrides]
            config = hydra_compose("train", [*given, *search_path()], return_hydra_config=True)
        # TypeError: of a list of numbers where a group's file is named
        except (HydraException, OmegaConfBaseException, ValueError, TypeError, RecursionError) as e:
            raise ConfigError(explain(e, given)) from e
    check_hydra_options(config, overrides)
    experiment = config.hydra.runtime.choices.get("experiment")
    OmegaConf.set_struct(config, False)
    del config["hydra"]
    name_run(config, experiment, overrides if keys else (), keys)
    try:
        return resolved(config)
    except ConfigError as error:
        raise ConfigError(f"{error}{exchanged(experiment, overrides, str(error))}") from error


def name_run(
    config: DictConfig, experiment: str | None, job: Iterable[str] = (), keys: Iterable[str] = ()
) -> None:
    """Set the run folder: the given one, else `runs/<experiment>`.

    Args:
        config: its `run` is set in place.
        experiment: name of the experiment, if any.
        job: overrides of one job of a sweep.
        keys: those that are swept, and that the folder is named after; see `folder_of`.

    Raises:
        ConfigError: there is neither a run folder nor an experiment.
    """
    try:
        check_type("run", config.run, str | None)
    except OmegaConfBaseException as error:
        raise ConfigError(_unresolved(config, error)) from error
    if config.run is None and experiment is None:
        raise ConfigError(f"name an experiment: experiment={' | '.join(members('experiment'))}")
    if config.run is None:
        config.run, keys = f"runs/{experiment}", [key for key in keys if key != "experiment"]
    config.run = folder_of(config.run, job, keys)


def resolved(config: DictConfig, finished: bool = False) -> DictConfig:
    """Resolve the interpolations in a copy of the configuration, and validate it.

    Args:
        config: of an experiment.
        finished: as for `validate`.

    Raises:
        ConfigError: a value is missing, or as for `validate`.
    """
    config = config.copy()
    try:
        OmegaConf.resolve(config)
    except OmegaConfBaseException as error:
        raise ConfigError(_unresolved(config, error)) from error
    for node in (config.get(key) for key in list(config)):
        if isinstance(node, DictConfig) and True in node:  # YAML parses an unquoted `on:` as True
            node["on"] = node.pop(True)
    if missing := sorted(OmegaConf.missing_keys(config)):
        raise ConfigError(f"nothing is set for {', '.join(missing)}: {missing[0]}=...")
    validate(config, finished)
    return config


def _unresolved(config: DictConfig, error: OmegaConfBaseException) -> str:
    """Name the first key whose interpolation fails; OmegaConf's other lines are of its classes."""
    for key in keys_of(config):
        try:
            OmegaConf.select(config, key)
        except OmegaConfBaseException as found:
            return f"{key} cannot be resolved: {str(found).splitlines()[0]}"
    return f"a value cannot be resolved: {str(error).splitlines()[0]}"


def overridden(config: DictConfig, overrides: Iterable[str]) -> DictConfig:
    """Apply overrides in Hydra's language to a finished run's configuration.

    `group=member`, `key=value`, `+key=value` for an argument that the configuration does not set,
    `++key=value` for one that it may set, and `~key` to remove one. Keys that were added to
    train.yaml after the run have their values there. The result is validated, but for what only
    training and scoring build: that is when it is built.

    Raises:
        ConfigError: an override cannot be parsed, has several values, or its key or member is
            unknown.
    """
    config = _with_later_keys(config)
    for one in parsed(overrides):
        key, place = one.key_or_group, one.key_or_group.replace("/", ".")
        if not _settable(config, one):
            raise _unknown(config, key)
        if one.is_delete():
            parent, _, last = place.rpartition(".")
            node = OmegaConf.select(config, parent) if parent else config
            del node[last]
        elif is_group(key):
            member = str(one.value())
            if member not in members(key):
                raise ConfigError(f"no {key} {member!r}{suggest(member, members(key))}")
            OmegaConf.update(config, place, _group(key, member), merge=False, force_add=True)
        else:
            OmegaConf.update(config, place, one.value(), merge=False, force_add=True)
    return resolved(config, finished=True)


def check_keys(run: str | PathLike[str], overrides: Iterable[str]) -> None:
    """Refuse overrides of keys that no stage of a run has, before what takes seconds to import.

    Files that are missing or damaged, and keys of a member that an override chooses anew, are left
    to the loading of the run.

    Raises:
        ConfigError: an override cannot be parsed, or its key is unknown.
    """
    stages = []
    for path in sorted(Path(run).expanduser().glob("*/config.yaml")):
        with suppress(ConfigError):
            config = read_yaml(path)
            if "${" not in OmegaConf.to_yaml(config):
                stages.append(_with_later_keys(config))
    chosen: tuple[str, ...] = ()
    for one in parsed(overrides):
        place = one.key_or_group.replace("/", ".")
        known = not stages or any(_settable(config, one) for config in stages)
        if is_group(one.key_or_group):
            chosen += (f"{place}.",)
        elif not known and not place.startswith(chosen):
            raise _unknown(stages[-1], one.key_or_group)


def _with_later_keys(config: DictConfig) -> DictConfig:
    later = [key for key in root() if key not in ("defaults", "hydra") and key not in config]
    return OmegaConf.merge(OmegaConf.masked_copy(root(), later), config)


def _settable(config: DictConfig, override: Override) -> bool:
    """Return whether a configuration has the key of an override, or may be given it."""
    place = override.key_or_group.replace("/", ".")
    if override.is_add() or override.is_force_add() or is_group(override.key_or_group):
        return True
    if OPEN.match(override.input_line):
        return True
    return OmegaConf.select(config, place, default=inspect) is not inspect


def _unknown(config: DictConfig, key: str) -> ConfigError:
    return ConfigError(
        f"unknown key {key!r}{suggest(key, keys_of(config))}; to set an argument that the run "
        f"leaves at its default, write +{key}=..."
    )


def _group(group: str, member: str) -> DictConfig:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = hydra_compose("train", [f"{group}={member}", *search_path()])
    OmegaConf.set_struct(config, False)
    return OmegaConf.select(config, group.replace("/", "."))
