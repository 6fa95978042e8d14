"""Comparison with a paper's table: published scores, ours, and the scale of our training.

python -m eval.reproduce gsq
python -m eval.reproduce rsgm_earth record

Our scores are read from `runs/<experiment>` and from sweeps over seeds,
`runs/<experiment>-seed_<n>`; if neither exists, from the record beside the table.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from ldm.cli import command
from ldm.config.compose import ConfigError, compose
from ldm.config.groups import CONFIGS, members

__all__ = ["record", "reproduce"]

TABLES = Path(__file__).parent / "tables"


def reproduce(name: str, runs: Path = Path("runs")) -> list[dict[str, Any]]:
    """Rows of a table: `name`, `published` and `ours` by metric, and `scale` in words.

    A value of `ours` is a list, one number per seed. A row whose experiment is null is a baseline
    of the paper, with published numbers only.

    Raises:
        ConfigError: there is no such table.
    """
    path = TABLES / f"{name}.yaml"
    if not path.is_file():
        raise ConfigError(f"no table {name!r}: choose one of {', '.join(_names())}")
    recorded = _recorded(name)
    rows = []
    for row in OmegaConf.load(path).rows:
        if row.experiment is None:
            found = {"values": {}, "scale": "published only"}
        else:
            found = _ours(row.experiment, runs) or recorded.get(row.experiment)
        if not found:
            configured = row.experiment in members("experiment")
            found = {"values": {}, "scale": "not run" if configured else "not configured"}
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
    path = TABLES / "recorded" / f"{name}.json"
    text = json.dumps(kept, indent=2) + "\n"
    write_whole(path, lambda part: part.write_text(text))
    return path


def _names() -> list[str]:
    return sorted(path.stem for path in TABLES.glob("*.yaml"))


def _recorded(name: str) -> dict[str, Any]:
    path = TABLES / "recorded" / f"{name}.json"
    return _read(path) if path.is_file() else {}


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ConfigError(
            f"{path} is damaged ({error}): copy it again, or delete it and score the run anew "
            f"(python -m eval run=...)"
        ) from error


def _ours(experiment: str, runs: Path) -> dict[str, Any] | None:
    from ldm.run.folder import Run

    done = [run for run in map(Run, _folders(runs / experiment)) if run.metrics.is_file()]
    if not done:
        return None
    values: dict[str, list[float]] = {}
    for run in done:
        for metric, value in _read(run.metrics).items():
            if metric != "protocol":
                values.setdefault(metric, []).append(value)
    scales = dict.fromkeys(_scale(experiment, run.folder) for run in done)
    efforts = [path for run in done for path in run.efforts]
    return {"values": values, "scale": "; ".join(scales) + _effort(efforts, len(done))}


def _folders(run: Path) -> list[Path]:
    """Folders of an experiment and of its sweeps over seeds alone."""
    seeds = re.compile(rf"{re.escape(run.name)}([-,][a-z_.]*seed[_=]\d+)+")
    return [run, *sorted(one for one in run.parent.glob("*seed*") if seeds.fullmatch(one.name))]


def _scale(experiment: str, folder: Path) -> str:
    """Describe the scale: full if the configuration is the experiment's, else the changes."""
    from ldm.run.changes import changes
    from ldm.run.folder import Run, read_config

    if not (CONFIGS / "experiment" / f"{experiment}.yaml").is_file():
        return "of an experiment that is no longer there"
    full = compose([f"experiment={experiment}"])
    stage = list(full.stages)[-1]
    trained = read_config(Run(folder).stage(stage) / "config.yaml")
    changed = [change for change in changes(full, trained, stage) if not _of_seed(change[0])]
    if not changed:
        return "full scale"
    return "reduced scale: " + ", ".join(f"{key}={now} ({was})" for key, was, now in changed)


def _of_seed(key: str) -> bool:
    return key.rpartition(".")[2] in ("seed", "split_seed", "data_seed")


def _effort(paths: list[Path], seeds: int) -> str:
    """Describe the training time, as a mean over seeds, and the machine."""
    efforts = [_read(path) for path in paths]
    if not efforts:
        return ""
    hours = sum(effort["seconds"] for effort in efforts) / 3600 / seeds
    machines = ", ".join(dict.fromkeys(effort["machine"] for effort in efforts))
    mean = f", {seeds} seeds" if seeds > 1 else ""
    return f"; {hours:.2f} h on {machines}{mean}"


@command(choices=lambda: {"table": _names()})
def main(arguments: list[str]) -> None:
    """Print one table."""
    name, *more = arguments or [""]
    if name not in _names() or more not in ([], ["record"]):
        raise ConfigError(f"usage: python -m eval.reproduce {' | '.join(_names())} [record]")
    rows = reproduce(name)
    if more:
        print(record(name))
    source = OmegaConf.load(TABLES / f"{name}.yaml")
    table = Table(title=source.title, caption=source.protocol)
    table.add_column("row")
    for column in source.columns:
        table.add_column(f"{column}\npublished / ours", justify="right")
    table.add_column("ours is")
    for row in rows:
        table.add_row(row["name"], *_cells(row, source), row["scale"])
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _cells(row: dict[str, Any], source: DictConfig) -> list[str]:
    published, ours = row["published"], row["ours"]
    return [f"{_words(published.get(c))} / {_words(_spread(ours.get(c)))}" for c in source.columns]


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
