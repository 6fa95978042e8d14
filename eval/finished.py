"""Finished evaluations of an experiment, wherever its model was trained, and the scale of training.

An experiment that differs from another in sampling or guidance alone trains the same model: its
scores are an evaluation of a run of either.
"""

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig

from eval.naming import drawing, settings
from eval.published import Column
from ldm.config.compose import ConfigError, compose
from ldm.config.groups import folders
from ldm.run.changes import changes, differences
from ldm.run.folder import Run, read_config
from ldm.run.loading import last_config

__all__ = ["Evaluated", "configured", "finished", "read_json"]


class Evaluated(NamedTuple):
    """One evaluation of a run.

    Attributes:
        config: its configuration.
        values, protocols: its scores, and the record of each, by name.
        own: whether it has the run's own settings.
    """

    config: DictConfig
    values: dict[str, float]
    protocols: dict[str, dict[str, Any]]
    own: bool


def finished(experiment: str, columns: Sequence[Column], runs: Path) -> dict[str, Any] | None:
    """Find the scores of an experiment, and describe how it was trained; None without any.

    Returns:
        `values`, lists by column with one number for each seed, and `scale` in words.

    Raises:
        ConfigError: a file of a run is damaged.
    """
    if not configured(experiment):
        found = [(run, _evaluations(run)) for run in _runs(runs, experiment)]
        scale = "of an experiment that is no longer there"
        return _joined(found, columns, scale) if any(every for _, every in found) else None
    for other in _trained_alike(experiment, runs):
        full, own = _composed(experiment), other == experiment
        chosen = [(run, _chosen(run, full, own)) for run in _runs(runs, other)]
        if chosen := [(run, every) for run, every in chosen if every]:
            scales = dict.fromkeys(_scale(full, run, every[0]) for run, every in chosen)
            return _joined(chosen, columns, "; ".join(scales))
    return None


def configured(experiment: str) -> bool:
    """Return True if there is an experiment of this name."""
    return any((folder / "experiment" / f"{experiment}.yaml").is_file() for folder in folders())


def read_json(path: Path) -> dict[str, Any]:
    """Read a file of a run or a record.

    Raises:
        ConfigError: it is damaged.
    """
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ConfigError(
            f"{path} is damaged ({error}): copy it again, or delete it and score the run anew "
            f"(python -m eval run=...)"
        ) from error


def _runs(runs: Path, experiment: str) -> list[Run]:
    """Runs of an experiment and of its sweeps over seeds alone."""
    run = runs / experiment
    seeds = re.compile(rf"{re.escape(run.name)}([-,][a-z_.]*seed[_=]\d+)+")
    swept = sorted(one for one in run.parent.glob("*seed*") if seeds.fullmatch(one.name))
    return [Run(one) for one in (run, *swept) if one.is_dir()]


def _trained_alike(experiment: str, runs: Path) -> Iterator[str]:
    """Experiments with runs that train the same model: itself, then others of its paper."""
    paper = experiment.split("/")[0]
    files = [
        (root / "experiment", (root / "experiment" / paper).rglob("*.yaml")) for root in folders()
    ]
    names = sorted(
        str(path.relative_to(top).with_suffix("")) for top, found in files for path in found
    )
    if _runs(runs, experiment):
        yield experiment
    for other in names:
        if other != experiment and _runs(runs, other):
            full, same = _composed(experiment), _composed(other)
            stage = list(full.stages)[-1]
            if stage in same.stages and not changes(full, same, stage):
                yield other


@cache
def _composed(experiment: str) -> DictConfig:
    return compose([f"experiment={experiment}"])


def _evaluations(run: Run) -> list[Evaluated]:
    """Evaluations of a run on the data that it was trained on, its own first."""
    places = sorted(run.evaluations.rglob("metrics.json"))
    own = [run.metrics] if run.metrics.is_file() else []
    if not own and not places:
        return []
    trained = last_config(run)
    found = []
    for path in (*own, *places):
        config = trained if path == run.metrics else read_config(path.parent / "config.yaml")
        if _source(config) == _source(trained):
            values = read_json(path)
            protocols = values.pop("protocol", {})
            found.append(Evaluated(config, values, protocols, path == run.metrics))
    return found


def _source(config: DictConfig) -> tuple[Any, Any]:
    return config.data.get("_target_"), config.data.get("root")


def _chosen(run: Run, full: DictConfig, own: bool) -> list[Evaluated]:
    """Evaluations whose samples were drawn as an experiment says, the most alike first.

    Args:
        run: of the experiment, or of one that trains the same.
        full: configuration of the experiment.
        own: take the run's own evaluation where there are none.
    """
    every, wanted = _evaluations(run), settings(full)

    def unlike(one: Evaluated) -> int:
        return len(wanted.items() ^ settings(one.config).items())

    drawn = [one for one in every if not differences(drawing(full), drawing(one.config))]
    return sorted(drawn, key=unlike) or [one for one in every if one.own and own]


def _joined(
    found: Sequence[tuple[Run, list[Evaluated]]], columns: Sequence[Column], scale: str
) -> dict[str, Any]:
    values: dict[str, list[float]] = {}
    for column in columns:
        for _, every in found:
            scores = (column.of(one.values, one.protocols) for one in every)
            if (score := next((one for one in scores if one is not None), None)) is not None:
                values.setdefault(column.name, []).append(score)
    efforts = [path for run, _ in found for path in run.efforts]
    return {"values": values, "scale": scale + _effort(efforts, len(found))}


def _scale(full: DictConfig, run: Run, evaluated: Evaluated) -> str:
    """Describe the scale: full if training and sampling are the experiment's, else the changes."""
    stage = list(full.stages)[-1]
    trained = read_config(run.stage(stage) / "config.yaml")
    changed = [one for one in changes(full, trained, stage) if not _of_seed(one[0])]
    changed += differences(drawing(full), drawing(evaluated.config))
    if not changed:
        return "full scale"
    return "reduced scale: " + ", ".join(f"{key}={now} ({was})" for key, was, now in changed)


def _of_seed(key: str) -> bool:
    return key.rpartition(".")[2] in ("seed", "split_seed", "data_seed")


def _effort(paths: Sequence[Path], seeds: int) -> str:
    """Describe the training time, as a mean over seeds, and the machine."""
    efforts = [read_json(path) for path in paths]
    if not efforts:
        return ""
    hours = sum(effort["seconds"] for effort in efforts) / 3600 / seeds
    machines = ", ".join(dict.fromkeys(effort["machine"] for effort in efforts))
    mean = f", {seeds} seeds" if seeds > 1 else ""
    return f"; {hours:.2f} h on {machines}{mean}"
