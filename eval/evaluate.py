"""What a run is worth: its tokenizer's reconstructions and its prior's samples, scored."""

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from eval.reconstructions import score_reconstructions
from eval.samples import score_samples
from eval.scores import Scores
from ldm import distributed
from ldm.build import Parts, build_part
from ldm.run import Run

__all__ = ["evaluate"]


def evaluate(parts: Parts) -> dict[str, float]:
    """Score a run, write `metrics.json` and pictures, print a table; every rank returns all.

    Raises:
        FileNotFoundError, ValueError: what `Evaluation.check` would have found.
    """
    distributed.join()
    evaluation, device = build_part(parts.config, "eval"), distributed.device()
    extractor = _first_rank_first(lambda: evaluation.build_extractor(parts.data)).to(device)
    scores = Scores(data=parts.data.name, size=parts.data.size, weights="averaged")
    parts.tokenizer.to(device).eval()
    score_reconstructions(parts, evaluation, extractor, scores)
    if parts.prior is not None:
        parts.prior.to(device).eval()
        score_samples(parts, evaluation, extractor, scores)
    if distributed.rank() == 0:
        run = Run(parts.config.run)
        scores.save(run)
        _show(scores, run)
    distributed.barrier()
    return scores.values


def _first_rank_first(make: Callable[[], Any]) -> Any:
    """What the first rank downloads or trains, the others find in the cache."""
    if distributed.rank() == 0:
        made = make()
        distributed.barrier()
        return made
    distributed.barrier()
    return make()


def _show(scores: Scores, run: Run) -> None:
    table = Table(title=str(run.folder))
    table.add_column("score")
    table.add_column("value", justify="right")
    for name, value in scores.values.items():
        table.add_row(name, f"{value:.4g}")
    console = Console(width=100)
    console.print(table)
    for path in (*sorted(run.folder.glob("*.png")), run.metrics):
        console.print(str(path))
