"""The order of samples, a function of (seed, position) alone.

A position counts samples since the start of training, over all ranks. It names the sample drawn
there and the seed of that draw's augmentation, so neither workers, nor restarts, nor the number of
devices change what is seen.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, UInt64
from torch.utils.data import Sampler

from data.files.errors import DataError

__all__ = ["Draw", "SampleOrder", "check_share", "mix", "permutation"]

EPOCH, DRAW = 0, 1  # what a mixed number is for: no draw's seed repeats a permutation's keys


class Draw(NamedTuple):
    """One item asked of a dataset.

    Attributes:
        index: position in the dataset.
        seed: of the augmentation, below 2^63; None asks for the sample as it is.
    """

    index: int
    seed: int | None = None


def mix(*numbers: int | np.ndarray) -> UInt64[np.ndarray, "*shape"]:
    """Hash whole numbers, elementwise over arrays, into 64 bits that look independent.

    The finaliser is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", 2014). Written out because library generators may change between versions, and an
    order must not. For a fixed prefix it is a bijection of the last number: hashes never tie.
    """
    state = np.zeros(1, np.uint64)
    for number in numbers:
        # Arrays even for one number: numpy's scalars warn when they wrap round.
        z = (state ^ np.atleast_1d(number).astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = z ^ (z >> np.uint64(31))
    return state


def permutation(length: int, *numbers: int) -> Int64[np.ndarray, " length"]:
    """The permutation of `range(length)` that these numbers name."""
    return np.argsort(mix(*numbers, np.arange(length)), kind="stable")


def check_share(batch_size: int, rank: int, world: int) -> None:
    """Refuse a global batch that `world` ranks cannot share equally, or a rank outside it."""
    if batch_size < 1 or batch_size % world:
        raise DataError(
            f"a global batch must share equally over {world} ranks, got {batch_size} samples: "
            f"choose a positive multiple of {world}"
        )
    if not 0 <= rank < world:
        raise DataError(f"rank must be in [0, {world}), got {rank}")


class SampleOrder(Sampler[list[Draw]]):
    """Batches of draws, epoch after epoch, each epoch another permutation of the dataset.

    A global batch is `batch_size` consecutive positions, over the end of an epoch where it falls
    inside: nothing is dropped. Rank `r` of `w` takes the `r`-th of its `w` equal parts, so the
    parts joined are one batch whatever `w` is.

    Args:
        length: samples in the dataset.
        batch_size: samples in a global batch; a multiple of `world`.
        seed: of the whole order.
        start: position of the first sample: how many have been seen.
        stop: no batch begins at this position or later; the last batch is whole.
        rank: of this process.
        world: number of processes.

    Raises:
        DataError: an empty dataset, a batch the ranks cannot share, `start` beyond `stop`.

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
        """Batches from `start` to `stop`."""
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
