"""Training batches of samples of similar size, which need little padding."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int64
from torch.utils.data import Sampler

from data.files.errors import DataError
from data.order import Draw, SampleOrder, permutation

__all__ = ["BucketOrder"]

BUCKET = 6  # stream id that keeps the order of batches apart from that of samples


class BucketOrder(Sampler[list[Draw]]):
    """The draws of a `SampleOrder`, regrouped: batches of samples of similar size.

    The draws of `window` consecutive batches are sorted by size and cut into batches again, which
    then come in a pseudorandom order. So each epoch is still a permutation, and a batch is a
    function of the seed, the batch size and its position alone.

    Args:
        sizes: of the samples in the dataset.
        batch_size: samples in a global batch; a multiple of `world`.
        seed: seed of the whole order.
        start: position of the first sample, the number of samples seen so far.
        stop: no batch begins at this position or later; the last batch is complete.
        rank: rank of this process.
        world: number of processes.
        window: batches that are sorted together.

    Raises:
        DataError: as for `SampleOrder`, or the window is empty.

    Example: with sizes 1 to 6 and one window, each batch has neighbours.
        >>> order = BucketOrder(np.arange(1, 7), 2, seed=0, stop=6, window=3)
        >>> sorted(sorted(draw.index for draw in batch) for batch in order)
        [[0, 1], [2, 3], [4, 5]]
    """

    def __init__(
        self,
        sizes: Int64[np.ndarray, " n"],
        batch_size: int,
        seed: int,
        *,
        stop: int,
        start: int = 0,
        rank: int = 0,
        world: int = 1,
        window: int = 64,
    ) -> None:
        if window < 1:
            raise DataError(f"window must be 1 batch or more, got {window}")
        self.plain = SampleOrder(
            len(sizes), batch_size, seed, start=start, stop=stop, rank=rank, world=world
        )
        self.sizes, self.window = sizes, window

    def __len__(self) -> int:
        """Return the number of batches from `start` to `stop`."""
        return len(self.plain)

    def __iter__(self) -> Iterator[list[Draw]]:
        plain = self.plain
        share = plain.batch_size // plain.world
        mine = slice(plain.rank * share, (plain.rank + 1) * share)
        first = plain.start // plain.batch_size  # batches before this one
        number, batches = -1, []
        for batch in range(first, first + len(self)):
            if batch // self.window != number:
                number = batch // self.window
                batches = self._sorted(number)
            yield batches[batch % self.window][mine]

    def _sorted(self, number: int) -> list[list[Draw]]:
        """All batches of a window, whole."""
        plain, width = self.plain, self.window * self.plain.batch_size
        begin = plain.start % plain.batch_size + number * width
        order = SampleOrder(
            plain.length, plain.batch_size, plain.seed, start=begin, stop=begin + width
        )
        draws = [draw for batch in order for draw in batch]
        rows = np.argsort(self.sizes[[draw.index for draw in draws]], kind="stable")
        parts = rows.reshape(self.window, plain.batch_size)
        turns = permutation(self.window, plain.seed, BUCKET, number)
        return [[draws[row] for row in part] for part in parts[turns].tolist()]
