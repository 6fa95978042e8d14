"""Evaluations of a run at settings that are asked for: one, or a sweep as a table and a plot."""

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table

from data.drawing.panels import render
from data.files.whole import check_writable, write_whole
from data.images.grid import save_picture
from eval.evaluate import evaluate
from eval.naming import checked, claim, counts, derived, folder_of
from ldm import distributed
from ldm.config.compose import ConfigError, overridden
from ldm.config.sweeps import jobs, key_of, swept
from ldm.report.page import write_report
from ldm.run.folder import Run, read_config
from ldm.run.loading import last_config, load_run
from ldm.run.parts import Parts, build_part
from ldm.run.sampling import check_sampler
from ldm.samplers import Unsolved

__all__ = ["collect", "plot", "score", "sweep"]

VARIED = ("eval", "sampler", "sampling", "guidance")
PANELS = 12  # largest number of scores in a plot
COLUMNS = 3


def score(run: Run, overrides: Sequence[str], name: str | None) -> dict[str, float]:
    """Score a run with overrides of its configuration, in the folder that these call for.

    Args:
        run: folder of the run.
        overrides: as on the command line.
        name: of the evaluation; None to derive it.

    Raises:
        ConfigError: it cannot be scored, or the name stands for other settings.
    """
    parts = load_run(run.folder, list(overrides))
    own = overridden(last_config(run), [])
    folder = folder_of(run, own, parts.config, overrides, name)
    check_writable(folder / "metrics.json")
    parts.data.prepare_data()
    build_part(parts.config, "eval").check(parts)
    if folder != run.folder:
        claim(folder, parts.config)
    scores = evaluate(parts, folder)
    if distributed.rank() == 0:
        print(write_report(run))
    return scores


def sweep(run: Run, overrides: Sequence[str], name: str | None) -> Path:
    """Score a run once for each job; write the jobs' evaluations, `table.csv` and `plot.png`.

    The table and the plot also show what the folder holds of earlier sweeps of this name.

    Args:
        run: folder of the run.
        overrides: some with several values, as on the command line.
        name: of the sweep's folder in `evaluations`; None to name it after the swept keys.

    Returns:
        The sweep's folder.

    Raises:
        ConfigError: before any job starts, if one of them cannot be scored.
        Unsolved: after all others, if the sampler of a job failed.
    """
    every, keys = jobs(overrides), swept(overrides)
    if not keys:
        raise ConfigError("nothing to sweep over: give a key several values, guidance.scale=1,2,4")
    if others := [key for key in keys if key.split(".")[0] not in VARIED or not counts(key)]:
        raise ConfigError(
            f"a sweep is over settings of {', '.join(VARIED)} that scores depend on, got "
            f"{', '.join(others)}"
        )
    fixed = [one for one in every[0] if key_of(one) not in keys]
    folder = run.evaluations / (derived([*keys, *fixed]) if name is None else checked(name))
    base = last_config(run)
    loaded = load_run(run.folder, list(every[0]))
    loaded.data.prepare_data()
    todo = {}
    for job in every:
        config = overridden(base, job)
        config.run = str(run.folder)
        parts = Parts(config, loaded.data, loaded.models)
        if parts.prior is not None:
            check_sampler(config, parts.stage, parts.prior, parts.data)
        build_part(config, "eval").check(parts)
        todo[folder / derived(one for one in job if key_of(one) in keys)] = parts
    for place, parts in todo.items():
        claim(place, parts.config)
    failed = None
    for place, parts in todo.items():
        try:
            evaluate(parts, place)
        except Unsolved as error:  # the other jobs may well go
            failed = error
    rows = collect(folder, keys)
    if rows and distributed.rank() == 0:
        _write(folder, rows)
        save_picture(folder / "plot.png", render(*plot(rows, keys)))
        _print(folder, rows)
    if failed is not None:
        raise failed
    return folder


def collect(folder: Path, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Read the swept settings and the scores of all evaluations in a folder, sorted by settings."""
    rows = []
    for path in folder.glob("*/metrics.json"):
        config = read_config(path.parent / "config.yaml")
        row = {key: _shown(OmegaConf.select(config, key)) for key in keys}
        scores = json.loads(path.read_text())
        rows.append(row | {key: value for key, value in scores.items() if key != "protocol"})
    return sorted(rows, key=lambda row: [(isinstance(row[k], str), row[k]) for k in keys])


def plot(rows: Sequence[dict[str, Any]], keys: Sequence[str]) -> tuple[Any, tuple[float, float]]:
    """Draw each score that varies against the first swept key, a line for each value of the others.

    Returns:
        What `data.drawing.panels.render` takes: a function of a figure, and its size in inches.
    """
    x, *others = keys
    names = [name for name in rows[0] if name not in keys]
    varied = [name for name in names if len({row.get(name) for row in rows}) > 1] or names
    shown = varied[:PANELS]
    lines: dict[str, list[dict]] = {}
    for row in rows:
        label = ", ".join(f"{key}={row[key]}" for key in others)
        lines.setdefault(label, []).append(row)
    height = -(-len(shown) // COLUMNS)

    def draw(figure: Any) -> None:
        panels = figure.subplots(height, min(COLUMNS, len(shown)), squeeze=False).flat
        for panel, name in zip(panels, shown, strict=False):
            for label, points in lines.items():
                points = [row for row in points if name in row]
                values = [row[name] for row in points]
                panel.plot([row[x] for row in points], values, "o-", markersize=4, label=label)
            panel.set_title(name, fontsize=9)
            panel.set_xlabel(x, fontsize=9)
        for panel in list(panels)[len(shown) :]:
            panel.set_axis_off()
        if others:
            figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center")

    return draw, (4 * min(COLUMNS, len(shown)), 3 * height)


def _shown(value: Any) -> Any:
    """Keep numbers; a list or a node, such as a whole sampler, is shown by its text."""
    if isinstance(value, bool | str | None) or not isinstance(value, int | float):
        plain = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
        return str(plain.get("_target_", plain)) if isinstance(plain, dict) else str(plain)
    return value


def _write(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    def write(part: Path) -> None:
        with part.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
            writer.writeheader()
            writer.writerows(rows)

    write_whole(folder / "table.csv", write)


def _print(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Print a row for each score and a column for each evaluation."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(title=str(folder), show_header=False)
    for key in keys:
        cells = (row.get(key, "") for row in rows)
        table.add_row(key, *(f"{x:.4g}" if isinstance(x, float) else str(x) for x in cells))
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)
    for name in ("plot.png", "table.csv"):
        console.print(str(folder / name))
