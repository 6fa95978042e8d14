"""Progress of long steps: a bar on a terminal, lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ldm import distributed

__all__ = ["progress", "progress_bar", "tracked", "without_progress"]

SECONDS = 10  # between two lines

_hidden = ContextVar("hidden", default=False)


@contextmanager
def progress(name: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far a step is, on the first rank; yields what is called with each part done.

    Args:
        name: of the step, such as "latents".
        total: sum of all parts.

    Example:
        >>> with progress("latents", 300) as advance:
        ...     for part in (100, 200):
        ...         advance(part)
        latents: 300/300 in 0 s
    """
    if distributed.rank() > 0 or _hidden.get():
        yield lambda part: None
    elif sys.stderr.isatty():
        with progress_bar() as bar:
            task = bar.add_task(name, total=total, remarks="")
            yield lambda part: bar.update(task, advance=part)
    else:
        yield _Lines(name, total).advance


@contextmanager
def without_progress() -> Iterator[None]:
    """Show no progress of what is done inside, in a longer step that shows its own.

    Example:
        >>> with without_progress():
        ...     [batch for batch in tracked("features", "ab")]
        ['a', 'b']
    """
    token = _hidden.set(True)
    try:
        yield
    finally:
        _hidden.reset(token)


def tracked(name: str, batches: Any) -> Iterator[Any]:
    """Iterate over batches and show how many are done.

    Args:
        name: of the step.
        batches: a sequence or a loader, with a length.

    Example:
        >>> [batch for batch in tracked("features", "ab")]
        features: 2/2 in 0 s
        ['a', 'b']
    """
    with progress(name, len(batches)) as advance:
        for batch in batches:
            yield batch
            advance(1)


class _Lines:
    """Prints a line every ten seconds, and one at the end."""

    def __init__(self, name: str, total: int) -> None:
        self.name, self.total, self.done = name, total, 0
        self.start = self.last = time.perf_counter()

    def advance(self, part: int) -> None:
        self.done += part
        now = time.perf_counter()
        gone, count = now - self.start, f"{self.name}: {self.done:,}/{self.total:,}"
        if self.done >= self.total:
            print(f"{count} in {gone:,.0f} s", flush=True)
        elif now - self.last >= SECONDS:
            self.last = now
            left = gone / self.done * (self.total - self.done)
            print(f"{count}, {self.done / gone:,.3g} a second, {left:,.0f} s left", flush=True)


def progress_bar(**options) -> Progress:
    """Build a bar with count, remarks, elapsed and remaining time; hidden without a terminal."""
    return Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TextColumn("{task.fields[remarks]}"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        **options,
    )
