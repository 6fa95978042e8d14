"""Names of a run's evaluations: each has a folder of its own, and none overwrites another."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.config.sweeps import key_of, name_of
from ldm.run.changes import flat
from ldm.run.folder import Run, read_config, write_config

__all__ = ["checked", "claim", "counts", "derived", "drawing", "folder_of", "settings"]

SETTINGS = ("eval", "sampler", "sampling", "guidance", "data")
"""Parts of the configuration that an evaluation may change; weights and machine are not its own."""

DRAWING = ("sampler", "guidance", "process.sample_eps")
"""Parts of a stage that matter to its samples alone; the first two are also the experiment's."""

MACHINE = (".workers", "eval.batch_size", "sampling.compile")
"""Ends of keys that scores do not depend on."""


def derived(overrides: Iterable[str]) -> str:
    """Name an evaluation after those of its overrides that its scores depend on."""
    return name_of(one for one in overrides if counts(one))


def folder_of(
    run: Run, before: DictConfig, now: DictConfig, overrides: Sequence[str], name: str | None
) -> Path:
    """Choose the folder of an evaluation: the run's own, or one of its name in `evaluations`.

    Args:
        run: folder of the run.
        before: the run's configuration.
        now: that of the evaluation. One with the run's own settings and no name is the run's own.
        overrides: that lead from one to the other, which name it where `name` is None.
        name: of the evaluation; None to derive it.

    Raises:
        ConfigError: the name is no name of a folder.
    """
    if name is None and settings(before) == settings(now):
        return run.folder
    return run.evaluations / (derived(overrides) if name is None else checked(name))


def checked(name: str) -> str:
    """Return a name that the user gives, if a folder can have it.

    Raises:
        ConfigError: it has other signs than letters, digits and some that need no quotes.
    """
    if not re.fullmatch(r"[\w=,+][\w.=,+-]*", name):
        raise ConfigError(f"name must be letters, digits and any of _ . = , + -, got {name!r}")
    return name


def settings(config: DictConfig) -> dict[str, Any]:
    """Settings that scores depend on, beside the weights, by their full keys."""
    kept = {**drawing(config), **{key: config[key] for key in SETTINGS if key in config}}
    found = flat(OmegaConf.to_container(OmegaConf.create(kept)))
    return {key: value for key, value in found if counts(key)}


def drawing(config: DictConfig) -> DictConfig:
    """Settings by which latents are drawn: sampler, guidance, and the times that sampling spans."""
    keys = [f"{name}.{key}" for name in config.stages for key in DRAWING]
    plain = {key: OmegaConf.select(config, key) for key in (*DRAWING[:2], *keys)}
    return OmegaConf.create({key: value for key, value in plain.items() if value is not None})


def claim(folder: Path, config: DictConfig) -> None:
    """Record an evaluation's configuration in its folder before anything is scored.

    Raises:
        ConfigError: the folder holds an evaluation with other settings; the message names them.
        DataError: the folder cannot be written to.
    """
    path = folder / "config.yaml"
    if path.is_file():
        old, new = settings(read_config(path)), settings(config)
        changed = sorted(key for key in old | new if old.get(key) != new.get(key))
        if changed:
            raise ConfigError(
                f"{folder} holds an evaluation with another {', '.join(changed)}: choose another "
                f"name=..., or delete that folder"
            )
    if distributed.rank() == 0:
        write_config(path, config)


def counts(override: str) -> bool:
    """Return True for a key or an override of a setting that scores depend on."""
    key = key_of(override)
    return not (key.endswith(MACHINE) or key.startswith("trainer"))
