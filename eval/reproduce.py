"""Comparison with a paper's table: published scores, ours, and the scale of our training.

python -m eval.reproduce gsq
python -m eval.reproduce rsgm_earth record

Our scores are read from `runs/<experiment>` and from sweeps over seeds,
`runs/<experiment>-seed_<n>`, and from evaluations of runs that trained the same model, where those
have the experiment's sampler and guidance; without any, from the record beside the table.
"""

import json
import sys
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table

from eval.published import Column, columns, read_table, recorded, tables
from ldm.cli import command
from ldm.config.compose import ConfigError

__all__ = ["record", "reproduce"]


def reproduce(name: str, runs: Path = Path("runs")) -> list[dict[str, Any]]:
    """Rows of a table: `name`, `published` and `ours` by column, and `scale` in words.

    A value of `ours` is a list, one number per seed. A row whose experiment is null is a baseline
    of the paper, with published numbers only.

    Raises:
        ConfigError: there is no such table, or a file of a run is damaged.
    """
    from eval.finished import configured, finished, read_json

    table = read_table(name)
    known = read_json(recorded(name)) if recorded(name).is_file() else {}
    ours, rows = columns(table), []
    for row in table.rows:
        if row.experiment is None:
            found = {"values": {}, "scale": "published only"}
        else:
            found = finished(row.experiment, ours, runs) or known.get(row.experiment)
        if not found:
            scale = "not run" if configured(row.experiment) else "not configured"
            found = {"values": {}, "scale": scale}
        published = OmegaConf.to_container(row.published)
        kept = {"name": row.name, "experiment": row.experiment, "published": published}
        rows.append({**kept, "ours": found["values"], "scale": found["scale"]})
    return rows


def record(name: str, runs: Path = Path("runs")) -> Path:
    """Record the scores in the runs folder beside the table; rows without runs are not changed."""
    from data.files.whole import write_whole

    rows = reproduce(name, runs)
    kept = {
        row["experiment"]: {"values": row["ours"], "scale": row["scale"]}
        for row in rows
        if row["ours"]
    }
    path = recorded(name)
    text = json.dumps(kept, indent=2) + "\n"
    write_whole(path, lambda part: part.write_text(text))
    return path


@command(choices=lambda: {"table": tables()})
def main(arguments: list[str]) -> None:
    """Print one table."""
    name, *more = arguments or [""]
    if name not in tables() or more not in ([], ["record"]):
        raise ConfigError(f"usage: python -m eval.reproduce {' | '.join(tables())} [record]")
    rows = reproduce(name)
    if more:
        print(record(name))
    source = read_table(name)
    table = Table(title=source.title, caption=source.protocol)
    table.add_column("row")
    for column in columns(source):
        table.add_column(f"{column.name}\n{_title(column)}", justify="right")
    table.add_column("ours is")
    for row in rows:
        table.add_row(row["name"], *_cells(row, columns(source)), row["scale"])
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _title(column: Column) -> str:
    return "published" if column.metric is None else "published / ours"


def _cells(row: dict[str, Any], source: list[Column]) -> list[str]:
    published, ours = row["published"], row["ours"]
    return [
        _words(published.get(column.name))
        if column.metric is None
        else f"{_words(published.get(column.name))} / {_words(_spread(ours.get(column.name)))}"
        for column in source
    ]


def _spread(values: list[float] | None) -> list[float] | None:
    """Mean and sample standard deviation over seeds."""
    if values is None or len(values) == 1:
        return values
    from eval.metrics import seed_spread

    spread = seed_spread(values)
    return [spread.mean, spread.std]


def _words(value: float | list[float] | None) -> str:
    if value is None:
        return "-"
    numbers = value if isinstance(value, list) else [value]
    return "±".join(f"{number:.4g}" for number in numbers)


if __name__ == "__main__":
    main(sys.argv[1:])
