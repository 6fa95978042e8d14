"""Papers' tables: published numbers, and which of our scores stands beside each."""

from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from ldm.config.compose import ConfigError

__all__ = ["Column", "columns", "read_table", "recorded", "tables"]

TABLES = Path(__file__).parent / "tables"


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        name: in the table.
        metric: our score; None where none of ours compares with the published numbers.
        protocol: entries that the record beside our score must have.
    """

    name: str
    metric: str | None
    protocol: dict[str, Any]

    def of(self, values: dict[str, float], protocols: dict[str, dict[str, Any]]) -> float | None:
        """Find our score among those of an evaluation; None if it has none by this protocol."""
        facts = protocols.get(self.metric, {})
        if any(facts.get(key) != value for key, value in self.protocol.items()):
            return None
        return values.get(self.metric)


def tables() -> list[str]:
    """Names of all tables."""
    return sorted(path.stem for path in TABLES.glob("*.yaml"))


def read_table(name: str) -> DictConfig:
    """Read a table.

    Raises:
        ConfigError: there is no such table.
    """
    path = TABLES / f"{name}.yaml"
    if not path.is_file():
        raise ConfigError(f"no table {name!r}: choose one of {', '.join(tables())}")
    return OmegaConf.load(path)


def recorded(name: str) -> Path:
    """Path of the record of our scores beside a table."""
    return TABLES / "recorded" / f"{name}.json"


def columns(table: DictConfig) -> list[Column]:
    """List a table's columns with our scores.

    A column holds our score of its own name, unless `metrics` has an entry for it: the name of a
    score, a mapping with that `metric` and the protocol that it must have, or null for no score.

    Example:
        >>> table = OmegaConf.create({"columns": ["psnr", "is"], "metrics": {"is": "ris"}})
        >>> [column.metric for column in columns(table)]
        ['psnr', 'ris']
    """
    told = OmegaConf.to_container(table.get("metrics") or OmegaConf.create({}))
    return [_column(name, told.get(name, name)) for name in table.columns]


def _column(name: str, told: str | dict[str, Any] | None) -> Column:
    protocol = dict(told) if isinstance(told, dict) else {"metric": told}
    return Column(name, protocol.pop("metric"), protocol)
