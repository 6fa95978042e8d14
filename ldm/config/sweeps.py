"""Sweeps: the jobs of a command line, and the names of their run folders."""

import hashlib
import os
import re
from collections.abc import Iterable
from itertools import product

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from ldm.config.hints import unreadable
from ldm.config.signatures import ConfigError

__all__ = ["folder_of", "jobs", "key_of", "name_of", "parsed", "swept"]

LONGEST = 100  # characters of a job's name; file systems allow 255
UNNAMED = ("run", "describe", "allow_change")
"""Keys that say nothing about what is trained."""


def jobs(overrides: Iterable[str]) -> list[list[str]]:
    """List the overrides of each job of a sweep: all combinations of the given values.

    Raises:
        ConfigError: an override cannot be parsed, or does not list its values, or lists none.
    """
    choices = []
    for one in parsed(overrides, sweep=True):
        choices.append([one.input_line])
        if one.is_sweep_override():
            key, listed = one.get_key_element(), one.is_discrete_sweep()
            if not listed or "glob(" in one.input_line:
                raise ConfigError(f"{one.input_line} does not list its values: {key}=a,b")
            choices[-1] = [f"{key}={value}" for value in one.sweep_string_iterator()]
        if not choices[-1]:
            raise ConfigError(f"{one.input_line} is a sweep over no values: {key}=a,b")
    return [list(job) for job in product(*choices)]


def swept(overrides: Iterable[str]) -> list[str]:
    """List the keys that have several values.

    Raises:
        ConfigError: an override cannot be parsed.
    """
    return [
        key_of(one.input_line) for one in parsed(overrides, sweep=True) if one.is_sweep_override()
    ]


def key_of(override: str) -> str:
    """Key of an override, without a sign that adds or removes it."""
    return override.partition("=")[0].lstrip("+~")


def folder_of(run: str, job: Iterable[str], keys: Iterable[str]) -> str:
    """Name the run folder of a job after the keys that are swept, so that a shell can type it.

    Long names, and values that a shell or a file system might take for something else, are
    shortened, with a hash of the whole.

    Args:
        run: of the experiment.
        job: overrides of the job.
        keys: that are swept.

    Example:
        >>> folder_of("runs/demo/digits", ["seed=1", "sampler.steps=3"], ["seed"])
        'runs/demo/digits-seed_1'
    """
    job = [one for one in job if key_of(one) not in UNNAMED and not key_of(one).startswith("hydra")]
    older = ",".join([run, *sorted(one for one in job if key_of(one) != "experiment")])
    if os.path.isdir(older):  # begun by an older version
        return older
    named = [one for one in job if key_of(one) in set(keys)]
    if not named:
        return run
    return f"{run}-{name_of(named)}"


def name_of(overrides: Iterable[str]) -> str:
    """Name a folder after overrides; long names, and values with other signs, end in a hash.

    Example:
        >>> name_of(["sampler.steps=3", "guidance.scale=2"])
        'guidance.scale_2-sampler.steps_3'
    """
    named = sorted(overrides)
    whole = "-".join(one.lstrip("+~").replace("/", ".").replace("=", "_", 1) for one in named)
    name = re.sub(r"[^A-Za-z0-9._+-]+", "_", whole)
    if name != whole or len(name) > LONGEST:
        name = f"{name[: LONGEST - 9].strip('_')}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"
    return name


def parsed(overrides: Iterable[str], sweep: bool = False) -> list[Override]:
    """Parse overrides in Hydra's language.

    Args:
        overrides: as on the command line.
        sweep: True if they may list values that are separated by commas.

    Raises:
        ConfigError: an override cannot be parsed.
    """
    overrides = list(overrides)
    if (reason := unreadable(overrides, sweep)) is not None:
        raise ConfigError(reason)
    return OverridesParser.create().parse_overrides(overrides)
