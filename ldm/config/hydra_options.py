"""Checks of Hydra's own options, of which it warns, or which it reads when a sweep starts."""

from collections.abc import Iterable
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ldm.config.signatures import ConfigError

__all__ = ["check_hydra_options", "check_search_path"]

LATER = "${hydra"  # begins what Hydra knows only when a job starts


def check_hydra_options(config: DictConfig, overrides: Iterable[str]) -> None:
    """Refuse options of Hydra that could not be used by a sweep.

    Args:
        config: composed, with the node `hydra`.
        overrides: as on the command line.

    Raises:
        ConfigError: the launcher or the sweeper is no class, or an option cannot be resolved.
    """
    for name in ("launcher", "sweeper"):
        node = config.hydra.get(name)
        if not (isinstance(node, DictConfig) and "_target_" in node):
            raise ConfigError(
                f"hydra.{name} must have a _target_, got {node!r}: choose hydra/{name}=basic"
            )
    for override in overrides:
        key = override.lstrip("+").partition("=")[0]
        if key.startswith("hydra.") and LATER not in override:
            try:
                OmegaConf.select(config, key)
            except OmegaConfBaseException as error:
                reason = str(error).splitlines()[0]
                raise ConfigError(f"{key} cannot be resolved: {reason}") from error


def check_search_path(overrides: Iterable[str]) -> None:
    """Refuse folders of `hydra.searchpath` that are not there, of which Hydra only warns.

    Raises:
        ConfigError: the message names the first of them.
    """
    for override in overrides:
        key, _, value = override.lstrip("+").partition("=")
        for one in value.strip("[]").split(",") if key == "hydra.searchpath" else ():
            folder = one.strip().strip("'\"").removeprefix("file://")
            if "://" not in folder and not Path(folder).is_dir():
                raise ConfigError(
                    f"hydra.searchpath: {folder!r} is no folder: name one that is laid out as "
                    f"configs/, or leave it out and set LDM_CONFIGS"
                )
