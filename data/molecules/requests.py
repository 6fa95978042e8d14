"""Requests for generated molecules: numbers of atoms, and properties given these."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor

from data.files.errors import DataError
from data.order import mix

__all__ = ["NodeCounts", "PropertyPrior", "Scale", "uniforms"]

SIZE, BIN, INSIDE = 2, 3, 4  # stream ids that keep hashes of different draws apart
BINS = 1000  # of a property, for each number of atoms, as published


def uniforms(indices: Sequence[int], seed: int, stream: int) -> Float64[np.ndarray, " n"]:
    """Draw numbers in [0, 1), each a function of the sample's index and the seed."""
    return (mix(seed, stream, np.array(indices, np.int64)) >> np.uint64(11)) / 2.0**53


class NodeCounts:
    """Distribution of the number of atoms in training molecules.

    Args:
        sizes: of the training molecules.

    Example:
        >>> counts = NodeCounts(np.array([5, 3, 5]))
        >>> counts.values.tolist(), counts.counts.tolist()
        ([3, 5], [1, 2])
        >>> round(counts.log_prob(torch.tensor([5])).item(), 4)
        -0.4055
    """

    def __init__(self, sizes: Int64[np.ndarray, " n"]) -> None:
        self.values, self.counts = np.unique(sizes, return_counts=True)

    def draw(self, indices: Sequence[int], seed: int, least: int = 1) -> Int64[np.ndarray, " n"]:
        """Draw numbers of atoms, each a function of the sample's index and the seed.

        Args:
            indices: indices of the samples in the whole set.
            seed: of the whole set.
            least: smallest number of atoms; the distribution is conditioned on it.

        Raises:
            DataError: no training molecule has as many.
        """
        ends = np.cumsum(np.where(self.values < least, 0, self.counts))
        if not ends[-1]:
            raise DataError(
                f"no training molecule has {least} atoms or more: ask for fewer, or for a number, "
                f"condition.atoms=..."
            )
        return self.values[np.searchsorted(ends, uniforms(indices, seed, SIZE) * ends[-1], "right")]

    def log_prob(self, sizes: Int64[Tensor, " n"]) -> Float64[Tensor, " n"]:
        """Log probability, nats; minus infinity for sizes that no training molecule has."""
        table = torch.zeros(max(int(self.values[-1]), int(sizes.max())) + 1, dtype=torch.float64)
        table[torch.from_numpy(self.values)] = torch.from_numpy(self.counts / self.counts.sum())
        return table.log()[sizes]


class Scale(NamedTuple):
    """Normalisation of a property: its mean, and its mean absolute deviation from that."""

    mean: float
    mad: float

    @classmethod
    def of(cls, values: Float64[np.ndarray, " n"]) -> "Scale":
        """Measure a property.

        Raises:
            DataError: a value is NaN or infinite, or all are equal, so that there is no scale.
        """
        if not np.isfinite(values).all():
            row = np.isfinite(values).argmin()
            raise DataError(
                f"the property of molecule {row} is {values[row]}: leave the molecule out, or mend "
                f"the file"
            )
        mean = values.mean()
        mad = np.abs(values - mean).mean()
        if not mad > 0:
            raise DataError(f"a property that is {mean:g} of every molecule is no condition")
        return cls(float(mean), float(mad))

    def __call__(self, values: Float64[np.ndarray, " n"]) -> Float32[Tensor, "n 1"]:
        """Normalise values in physical units."""
        return torch.from_numpy((values - self.mean) / self.mad).float()[:, None]

    def invert(self, values: Float[Tensor, "n 1"]) -> Float64[np.ndarray, " n"]:
        """Return normalised values to physical units."""
        return values[:, 0].double().cpu().numpy() * self.mad + self.mean


class PropertyPrior:
    """Distribution of a property given the number of atoms, p(c | n), in physical units.

    For each number of atoms, a histogram of 1,000 bins between the least and the largest value
    (Hoogeboom et al., 2022); values are uniform inside a bin.

    Args:
        values: of the training molecules.
        sizes: their numbers of atoms.
    """

    def __init__(self, values: Float64[np.ndarray, " n"], sizes: Int64[np.ndarray, " n"]) -> None:
        self.ranges, self.ends = {}, {}
        for size in np.unique(sizes).tolist():
            own = values[sizes == size]
            low, high = float(own.min()), float(own.max())
            places = ((own - low) / ((high - low) or 1) * BINS).astype(np.int64)
            self.ranges[size] = low, high
            self.ends[size] = np.cumsum(np.bincount(places.clip(max=BINS - 1), minlength=BINS))

    def draw(
        self, indices: Sequence[int], sizes: Int64[np.ndarray, " n"], seed: int
    ) -> Float64[np.ndarray, " n"]:
        """Draw properties, each a function of the number of atoms, the index and the seed.

        Raises:
            DataError: no training molecule has that number of atoms.
        """
        chosen, inside = (uniforms(indices, seed, stream) for stream in (BIN, INSIDE))
        found = np.empty(len(sizes))
        for row, size in enumerate(sizes.tolist()):
            if size not in self.ranges:
                raise DataError(
                    f"no training molecule has {size} atoms, so that its property is unknown: ask "
                    "for one, condition.property=..., or for another number of atoms"
                )
            low, high = self.ranges[size]
            ends = self.ends[size]
            place = np.searchsorted(ends, chosen[row] * ends[-1], "right")
            found[row] = low + (high - low) * (place + inside[row]) / BINS
        return found
