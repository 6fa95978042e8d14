"""Holding out images of a folder that has no test split."""

from collections import Counter
from collections.abc import Sequence

from data.order import permutation

__all__ = ["held_out"]


def held_out(classes: Sequence[str], fraction: float) -> list[int]:
    """Choose the rows that are held out: the same share of every class, and never all of it.

    The choice is a function of the classes and their order alone, not of the training seed.

    Args:
        classes: of each row; all equal without classes.
        fraction: of all rows; at least one is held out where a class can spare it.

    Example: of four and one, none of the single one.
        >>> held_out(["cat", "cat", "cat", "cat", "dog"], 0.2)
        [1]
    """
    sizes, seen = Counter(classes), Counter()
    shares = []
    for row in permutation(len(classes), 0).tolist():
        name = classes[row]
        seen[name] += 1
        if seen[name] < sizes[name]:
            shares.append((seen[name] / sizes[name], len(shares), row))
    count = round(len(classes) * fraction) or 1
    return sorted(row for *_, row in sorted(shares)[:count])
