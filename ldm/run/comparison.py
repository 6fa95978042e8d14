"""The jobs of a sweep beside one another: which failed, and what the others reached."""

import json
from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from ldm.run.folder import Run

__all__ = ["NOTE", "compare", "failures"]

NOTE = "error.txt"
"""File in a run folder that says why a job of a sweep did not end well."""


def failures(folders: list[Path]) -> dict[Path, str]:
    """Reasons of the jobs that did not end well, by their folders."""
    reasons = {}
    for folder in folders:
        if (folder / NOTE).is_file():
            reasons[folder] = (folder / NOTE).read_text().strip()
        elif not folder.is_dir():
            reasons[folder] = "it was not begun"
    return reasons


def compare(jobs: Mapping[Path, str]) -> Table | None:
    """Build a table of the scores of jobs that ended, a row each; None if there are no scores.

    Args:
        jobs: what was swept, in words, by the run folder.
    """
    scores = {}
    for folder, words in jobs.items():
        path = Run(folder).metrics
        if path.is_file() and not (folder / NOTE).is_file():
            found = json.loads(path.read_text())
            scores[words] = {key: value for key, value in found.items() if key != "protocol"}
    names = list(dict.fromkeys(name for found in scores.values() for name in found))
    if not names:
        return None
    table = Table("job", title="scores of the jobs")
    for name in names:
        table.add_column(name, justify="right")
    for words, found in scores.items():
        table.add_row(words, *(f"{found[name]:.4g}" if name in found else "-" for name in names))
    return table
