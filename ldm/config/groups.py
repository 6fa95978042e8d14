"""The configuration files there are: groups, their members, and the keys within."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

__all__ = ["CONFIGS", "keys_of", "members"]

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def members(group: str) -> list[str]:
    """Names of a configuration group's files, but not of the groups that its files choose from."""
    folder = CONFIGS / group
    files = [OmegaConf.load(path) for path in folder.glob("*.yaml")]
    choices = [
        one for file in files for one in file.get("defaults", []) if isinstance(one, DictConfig)
    ]
    inner = {key for one in choices for key in one}
    names = [path.relative_to(folder).with_suffix("") for path in folder.rglob("*.yaml")]
    return sorted(str(name) for name in names if name.parts[0] not in inner)


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
