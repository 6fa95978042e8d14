"""The baseline that predicts a property of molecules from their numbers of atoms alone.

Source: Hoogeboom et al., "Equivariant diffusion for molecule generation in 3D", 2022, section 5.2,
"# Atoms". There it is a network; here it is what minimises that network's loss, in closed form.
"""

import numpy as np
from jaxtyping import Float64, Int64

__all__ = ["by_count"]


def by_count(
    values: Float64[np.ndarray, " n"],
    counts: Int64[np.ndarray, " n"],
    asked: Int64[np.ndarray, " m"],
) -> Float64[np.ndarray, " m"]:
    """Predict the median of the values at each count, which has the least mean absolute error.

    Between counts and beyond them, predictions are interpolated, or those of the nearest.

    Args:
        values: of a property of training molecules.
        counts: their numbers of atoms.
        asked: numbers of atoms of other molecules.

    Example:
        >>> values, counts = np.array([1.0, 2.0, 9.0, 4.0]), np.array([3, 3, 3, 5])
        >>> by_count(values, counts, np.array([3, 4, 5, 6])).tolist()
        [2.0, 3.0, 4.0, 4.0]
    """
    every = np.unique(counts)
    medians = np.array([np.median(values[counts == count]) for count in every])
    return np.interp(asked, every, medians)
