"""YAML files from elsewhere, such as those of a run folder: bounded before they are built.

A few lines of aliases of aliases stand for billions of nodes, and deep nesting exhausts the stack.
"""

import io
from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ldm.config.signatures import ConfigError

__all__ = ["read_yaml"]

LARGEST = 1 << 20  # bytes
MOST = 100_000  # nodes, those that aliases stand for included
DEEPEST = 50  # nodes within one another


def read_yaml(path: Path) -> DictConfig:
    """Read a YAML file of keys and values.

    Raises:
        ConfigError: the file is missing, damaged, nested too deeply, or too large, also where it
            only stands for too much.
    """
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            raise ConfigError(f"{path} is no file of at most {LARGEST >> 20} MB")
        text = path.read_text("utf-8")
        _check_bounds(text)
        config = OmegaConf.load(io.StringIO(text))
        if not isinstance(config, DictConfig):
            raise ConfigError(f"{path} holds no keys")
    except (OSError, yaml.YAMLError, ValueError, OmegaConfBaseException) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{path} is not sound YAML ({reason})") from error
    return config


def _check_bounds(text: str) -> None:
    """Count nodes as events, which are read one by one without recursion."""
    nodes, begun, sizes = 0, [], {}
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.CollectionStartEvent):
            begun.append((event.anchor, nodes))
            nodes += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = begun.pop()
            sizes[anchor] = nodes - before
        elif isinstance(event, yaml.ScalarEvent):
            sizes[event.anchor] = 1
            nodes += 1
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise ValueError(f"*{event.anchor} stands for what holds it, or for nothing")
            nodes += sizes[event.anchor]
        if nodes > MOST or len(begun) > DEEPEST:
            raise ValueError(f"over {MOST} nodes with those of aliases, or over {DEEPEST} deep")
