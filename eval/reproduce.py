"""A paper's table: its published numbers beside ours, and at what scale ours were obtained.

python -m eval.reproduce gsq
"""

import json
import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from ldm.commands import command
from ldm.config import CONFIGS, ConfigError, compose
from ldm.run import Run, changes

__all__ = ["reproduce"]

TABLES = Path(__file__).parent / "tables"


def reproduce(name: str, runs: Path = Path("runs")) -> list[dict[str, Any]]:
    """Rows of a table: `name`, `published` and `ours` by metric, and `scale` in words.

    Raises:
        ConfigError: there is no such table.
    """
    path = TABLES / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in TABLES.glob("*.yaml")))
        raise ConfigError(f"no table {name!r}: choose one of {known}")
    return [_row(row, runs) for row in OmegaConf.load(path).rows]


def _row(row: DictConfig, runs: Path) -> dict[str, Any]:
    run = Run(runs / row.experiment)
    ours: dict[str, float] = {}
    scale = "not run"
    if run.metrics.is_file():
        ours = json.loads(run.metrics.read_text())
        scale = _scale(row.experiment, run)
    return {"name": row.name, "published": dict(row.published), "ours": ours, "scale": scale}


def _scale(experiment: str, run: Run) -> str:
    """Full where the run's configuration is the experiment's own, else what was changed."""
    if not (CONFIGS / "experiment" / f"{experiment}.yaml").is_file():
        return "of an experiment that is no longer there"
    full = compose([f"experiment={experiment}"])
    stage = list(full.stages)[-1]
    trained = OmegaConf.load(run.stage(stage) / "config.yaml")
    changed = changes(full, trained, stage)
    if not changed:
        return "full scale"
    return "reduced scale: " + ", ".join(f"{key}={now} ({was})" for key, was, now in changed)


@command
def main(arguments: list[str]) -> None:
    """Print one table."""
    if len(arguments) != 1:
        known = " | ".join(sorted(p.stem for p in TABLES.glob("*.yaml")))
        raise ConfigError(f"usage: python -m eval.reproduce {known}")
    rows = reproduce(arguments[0])
    source = OmegaConf.load(TABLES / f"{arguments[0]}.yaml")
    columns: ListConfig = source.columns
    table = Table(title=source.title, caption=source.protocol)
    table.add_column("row")
    for column in columns:
        table.add_column(f"{column}\npublished / ours", justify="right")
    table.add_column("ours is")
    for row in rows:
        cells = [f"{_number(row['published'], c)} / {_number(row['ours'], c)}" for c in columns]
        table.add_row(row["name"], *cells, row["scale"])
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _number(values: dict[str, Any], name: str) -> str:
    return f"{values[name]:.4g}" if name in values else "-"


if __name__ == "__main__":
    main(sys.argv[1:])
