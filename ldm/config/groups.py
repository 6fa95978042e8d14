"""Lookup of configuration files: groups, their members and keys."""

import os
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ldm.config.signatures import ConfigError
from ldm.config.yaml_files import read_yaml

__all__ = [
    "CONFIGS",
    "folders",
    "groups",
    "is_group",
    "keys_of",
    "members",
    "root",
    "search_path",
]

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@cache
def root() -> DictConfig:
    """Read train.yaml, once; nobody changes it."""
    return OmegaConf.load(CONFIGS / "train.yaml")


def folders() -> list[Path]:
    """Folders of configurations: the shipped one, and the user's own in LDM_CONFIGS.

    Raises:
        ConfigError: LDM_CONFIGS is not a folder, or holds a damaged file.
    """
    own = os.environ.get("LDM_CONFIGS")
    if not own:
        return [CONFIGS]
    folder = Path(own).expanduser().resolve()
    if not folder.is_dir():
        raise ConfigError(f"LDM_CONFIGS={own} is no folder: name one that is laid out as configs/")
    _check_files(folder)
    return [CONFIGS, folder]


@cache
def _check_files(folder: Path) -> None:
    """Read all files of a folder once, since Hydra reads them without bounds."""
    for path in folder.rglob("*.yaml"):
        read_yaml(path)


def search_path() -> list[str]:
    """Overrides by which Hydra searches all of `folders`."""
    own = [f"file://{folder}" for folder in folders()[1:]]
    return [f"hydra.searchpath=[{','.join(own)}]"] if own else []


def groups(*names: str) -> dict[str, list[str]]:
    """Members of these groups, or of all that stand at the top of the configurations."""
    found = {path.name for folder in folders() for path in folder.iterdir() if path.is_dir()}
    return {name: members(name) for name in names or sorted(found)}


def is_group(key: str) -> bool:
    """Return True if a key names a configuration group, such as `sampler` or `prior/backbone`."""
    return any((folder / key).is_dir() for folder in folders())


def members(group: str) -> list[str]:
    """Names of a configuration group's files, without those of nested groups."""
    found = set()
    for folder in (root / group for root in folders()):
        files = [OmegaConf.load(path) for path in folder.glob("*.yaml")]
        choices = [
            one for file in files for one in file.get("defaults", []) if isinstance(one, DictConfig)
        ]
        inner = {key for one in choices for key in one}
        names = [path.relative_to(folder).with_suffix("") for path in folder.rglob("*.yaml")]
        found |= {str(name) for name in names if name.parts[0] not in inner}
    return sorted(found)


def keys_of(node: Any, place: str = "") -> list[str]:
    """All dotted keys of a configuration."""
    if not isinstance(node, DictConfig):
        return []
    keys = []
    for key in node:
        full = f"{place}.{key}" if place else str(key)
        child = None if OmegaConf.is_missing(node, key) else node._get_node(key)
        keys += [full, *keys_of(child, full)]
    return keys
