"""Evaluation of a run as configured: scores are computed, saved, printed and logged."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from eval.record import Record
from ldm import distributed
from ldm.run.folder import Run
from ldm.run.loggers import build_loggers
from ldm.run.parts import Parts, build_part
from ldm.training.records import log_picture

__all__ = ["evaluate", "print_scores"]


def evaluate(parts: Parts, folder: Path | None = None) -> dict[str, float]:
    """Score a run, write `metrics.json` and pictures, print and log them; all ranks return scores.

    An evaluation without scorers leaves no file.

    Args:
        parts: trained.
        folder: of the files; by default the run's own.

    Raises:
        ValueError: problems that `Evaluation.check` would have found.
    """
    distributed.join()
    evaluation, device = build_part(parts.config, "eval"), distributed.device()
    folder = Path(parts.config.run) if folder is None else folder
    kept = {"data": parts.data.name, "shape": list(parts.data.shape), "weights": "averaged"}
    kept["precision"] = build_part(parts.config, "sampling").chosen(device)
    record = Record(folder, **kept)
    parts.tokenizer.to(device).eval()
    if parts.prior is not None:
        parts.prior.to(device).eval()
    evaluation.score(parts, record)
    if distributed.rank() == 0 and (record.values or record.pictures):
        record.save()
        print_scores(record, str(folder))
        _log(record, parts)
    distributed.barrier()
    return record.values


def print_scores(record: Record, title: str) -> None:
    """Print a table of the scores, and the paths of the files."""
    table = Table(title=title)
    table.add_column("score")
    table.add_column("value", justify="right")
    for name, value in record.values.items():
        table.add_row(name, f"{value:.4g}")
    console = Console(width=100)
    console.print(table)
    for path in record.files:
        console.print(str(path))


def _log(record: Record, parts: Parts) -> None:
    """Log scores and pictures; the steps count the evaluations of the run."""
    run = Run(parts.config.run)
    own = record.folder == run.folder
    part = "evaluation" if own else record.folder.relative_to(run.folder).as_posix()
    for logger in build_loggers(parts.config, run, part):
        logger.log_metrics(record.values)
        for path in record.pictures:
            log_picture(logger, path.stem, path, None)
        logger.finalize("success")
