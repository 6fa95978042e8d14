"""Rules that rename the entries of state dicts, forwards to export and backwards to import."""

import re
from collections.abc import Iterable, Sequence

__all__ = ["Rules", "inverse", "rename"]

Rules = Sequence[tuple[str, str]]
"""Pairs of consecutive segments of a name, ours and theirs; # stands for an index.

They are applied in this order to export and in reverse order to import, so that one inverts the
other.
"""


def rename(key: str, rules: Iterable[tuple[str, str]]) -> str:
    """Apply rules (find, put) one after the other, to whole segments of a name only."""
    for find, put in rules:
        pattern = r"(?<![^.])" + re.escape(find).replace(r"\#", r"(\d+)")
        key = re.sub(pattern, put.replace("#", r"\1"), key)
    return key


def inverse(*rules: tuple[str, str]) -> list[tuple[str, str]]:
    """Invert rules: swap names and reverse the order."""
    return [(theirs, ours) for ours, theirs in reversed(rules)]
