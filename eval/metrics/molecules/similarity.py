"""Similarities of two sets of molecules: how often parts occur, and nearest neighbours.

Source: Polykovskiy et al., "Molecular sets (MOSES)", 2020: Scaff and Frag are `frequency_cosine` of
scaffolds and of BRICS fragments, SNN is `nearest_similarity` of Morgan fingerprints.
"""

from collections import Counter
from collections.abc import Hashable, Iterable

import numpy as np
from jaxtyping import Bool

__all__ = ["frequency_cosine", "nearest_similarity"]

ROWS = 1000  # compared at once


def frequency_cosine(one: Iterable[Hashable], other: Iterable[Hashable]) -> float | None:
    """Cosine of the angle between the vectors of how often each part occurs in two sets, 0 to 1.

    Returns:
        The cosine; None if a set has no parts.

    Example:
        >>> frequency_cosine(["a", "a", "b"], ["a", "a", "c"])
        0.8
    """
    counts = Counter(one), Counter(other)
    lengths = [sum(n * n for n in count.values()) for count in counts]
    if not all(lengths):
        return None
    shared = sum(n * counts[1][part] for part, n in counts[0].items())
    return float(shared / np.sqrt(float(lengths[0]) * float(lengths[1])))


def nearest_similarity(
    samples: Bool[np.ndarray, "n bits"], reference: Bool[np.ndarray, "m bits"]
) -> float:
    """Tanimoto similarity of each sample to the nearest of the reference, mean over samples.

    Example: two bits of three are shared.
        >>> one, other = np.array([[True, True, False]]), np.array([[True, True, True]])
        >>> round(nearest_similarity(one, other), 4)
        0.6667
    """
    bits, sizes = reference.T.astype(np.float32), reference.sum(1)
    total = 0.0
    for start in range(0, len(samples), ROWS):
        part = samples[start : start + ROWS]
        shared = part.astype(np.float32) @ bits
        union = part.sum(1)[:, None] + sizes - shared
        total += float((shared / np.maximum(union, 1)).max(1).sum())
    return total / len(samples)
