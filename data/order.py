"""Sample order as a function of seed and position only.

A position counts samples since the start of training, over all ranks. It determines the sample and
the seed of its augmentation, so the order does not depend on workers, restarts or the number of
devices.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, UInt64
from torch.utils.data import Sampler

from data.files.errors import DataError

__all__ = ["Draw", "SampleOrder", "check_share", "mix", "permutation"]

EPOCH, DRAW = 0, 1  # stream ids that keep hashes for permutations and for draws apart


class Draw(NamedTuple):
    """Request for one item of a dataset.

    Attributes:
        index: position in the dataset.
        seed: seed of the augmentation, below 2^63; None for the sample without augmentation.
    """

    index: int
    seed: int | None = None


def mix(*numbers: int | np.ndarray) -> UInt64[np.ndarray, "*shape"]:
    """Hash integers to 64 pseudorandom bits, elementwise over arrays.

    Uses the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", 2014), implemented here because library generators may change between versions.
    With all other numbers fixed it is a bijection of the last one, so there are no collisions.
    """
    state = np.zeros(1, np.uint64)
    for number in numbers:
        # Use arrays even for one number, because numpy scalars warn on overflow.
        z = (state ^ np.atleast_1d(number).astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = z ^ (z >> np.uint64(31))
    return state


def permutation(length: int, *numbers: int) -> Int64[np.ndarray, " length"]:
    """Return the pseudorandom permutation of `range(length)` seeded by these numbers."""
    return np.argsort(mix(*numbers, np.arange(length)), kind="stable")


def check_share(batch_size: int, rank: int, world: int) -> None:
    """Check that `world` ranks can share a global batch equally and that `rank` is one of them."""
    if batch_size < 1 or batch_size % world:
        raise DataError(
            f"a global batch must share equally over {world} ranks, got {batch_size} samples: "
            f"choose a positive multiple of {world}"
        )
    if not 0 <= rank < world:
        raise DataError(f"rank must be in [0, {world}), got {rank}")


class SampleOrder(Sampler[list[Draw]]):
    """Batches of draws, with a new permutation of the dataset in each epoch.

    A global batch consists of `batch_size` consecutive positions, continuing across the end of an
    epoch, so no samples are dropped. Rank `r` of `w` takes the `r`-th of its `w` equal parts, so
    the global batch does not depend on `w`.

    Args:
        length: samples in the dataset.
        batch_size: samples in a global batch; a multiple of `world`.
        seed: seed of the whole order.
        start: position of the first sample, the number of samples seen so far.
        stop: no batch begins at this position or later; the last batch is complete.
        rank: rank of this process.
        world: number of processes.

    Raises:
        DataError: the dataset is empty, the ranks cannot share a batch, or `start` exceeds `stop`.

    Example:
        >>> order = SampleOrder(length=3, batch_size=2, seed=0, stop=6)
        >>> len(order), sorted(draw.index for batch in order for draw in batch)
        (3, [0, 0, 1, 1, 2, 2])
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int,
        *,
        stop: int,
        start: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        check_share(batch_size, rank, world)
        if length < 1:
            raise DataError("an order needs samples, and the dataset is empty")
        if not 0 <= start <= stop:
            raise DataError(f"start must be in [0, stop={stop}], got {start} samples")
        self.length, self.batch_size, self.seed = length, batch_size, seed
        self.start, self.stop, self.rank, self.world = start, stop, rank, world

    def __len__(self) -> int:
        """Return the number of batches from `start` to `stop`."""
        return -(-(self.stop - self.start) // self.batch_size)

    def __iter__(self) -> Iterator[list[Draw]]:
        share = self.batch_size // self.world
        stop = self.start + len(self) * self.batch_size
        epoch, order = -1, np.empty(0, np.int64)
        for first in range(self.start + self.rank * share, stop, self.batch_size):
            positions = np.arange(first, first + share)
            seeds = mix(self.seed, DRAW, positions) >> np.uint64(1)
            indices = np.empty(share, np.int64)
            epochs = positions // self.length
            for here in range(int(epochs[0]), int(epochs[-1]) + 1):
                if here != epoch:
                    epoch, order = here, permutation(self.length, self.seed, EPOCH, here)
                inside = epochs == here
                indices[inside] = order[positions[inside] % self.length]
            yield [Draw(*pair) for pair in zip(indices.tolist(), seeds.tolist(), strict=True)]
