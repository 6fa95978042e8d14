"""Points on manifolds, held in memory: their dataset, their splits, and what they look like."""

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor
from torch.utils.data import Dataset

from data.batch import Batch
from data.files.errors import DataError
from data.files.whole import staging
from data.images.grid import save_picture
from data.module import DataModule
from data.order import Draw, permutation
from data.points.charts import Chart

__all__ = ["PointDataset", "Points", "SplitPoints", "split_sizes"]

SPLIT = 2  # what a permutation is for: it is none of those that order the samples of an epoch


class PointDataset(Dataset):
    """Points in the ambient coordinates of their manifold; a batch is one gather.

    Args:
        points: the samples; equal ones are kept.
        labels: class of each, where there are classes.

    Example:
        >>> points = PointDataset(torch.eye(3))
        >>> points.__getitems__([2, 0])["x"].tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """

    def __init__(
        self, points: Float32[Tensor, "n ..."], labels: Int64[Tensor, " n"] | None = None
    ) -> None:
        self.points, self.labels = points, labels

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, item: int | Draw) -> Batch:
        return {key: value[0] for key, value in self.__getitems__([item]).items()}

    def __getitems__(self, items: Sequence[int | Draw]) -> Batch:
        indices = [item.index if isinstance(item, Draw) else item for item in items]
        index = torch.tensor([range(len(self))[i] for i in indices])
        batch = {"x": self.points[index], "index": index}
        return batch if self.labels is None else {**batch, "label": self.labels[index]}

    def digest(self) -> str:
        """A hash of all points and labels."""
        digest = hashlib.sha256(str(tuple(self.points.shape)).encode())
        digest.update(self.points.contiguous().numpy())
        if self.labels is not None:
            digest.update(self.labels.numpy())
        return digest.hexdigest()


class Points(DataModule):
    """A set of points with train, val and test splits.

    Training draws without replacement, epoch after epoch, as for images. Papers differ: RSGM draws
    with replacement; flow matching repeats the set many times over and drops its last batch.
    """

    held: ClassVar[tuple[str, ...]] = ("train", "val", "test")

    shown: ClassVar[int] = 1000

    outside: tuple[str, ...] = ()
    """Names of sets of other kinds, which a density should tell from this one."""

    @abstractmethod
    def load(self, split: str) -> PointDataset: ...

    def ood_dataset(self, name: str) -> PointDataset:
        """The points of one of the sets `outside`.

        Raises:
            DataError: there is no such set, or its file is missing or damaged.
        """
        raise DataError(f"{self.name} has no set outside it, asked for {name!r}")

    def log_density(self, x: Float[Tensor, "n ..."]) -> Float64[Tensor, " n"] | None:
        """Of the law that points are drawn from, nats against volume; None where it is unknown."""
        return None

    def action(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"] | None:
        """Minus the log density up to a constant, nats; None where that, too, is unknown."""
        return None

    def chart(self) -> Chart | None:
        """How a density on these points' space is drawn; None where there is no good picture."""
        return None

    @abstractmethod
    def drawing(
        self, data: Float[Tensor, "n ..."], samples: Float[Tensor, "m ..."]
    ) -> Float[Tensor, "3 h w"]:
        """Samples beside data, as people of the field draw them: a picture in [0, 1]."""

    def show(self, batch: Batch, columns: int | None = None) -> Float[Tensor, "3 h w"]:
        """The test data, and beside it the samples: one picture in [0, 1]; `columns` is unused."""
        return self.drawing(self.test_dataset.points, batch["x"].detach().float().cpu())

    def save(self, folder: Path, batch: Batch) -> None:
        """Write `samples.png`, `samples.npy` of shape `(n, *shape)`, and `labels.npy` if any."""
        for name, key in {"samples": "x", "labels": "label"}.items():
            if key in batch:
                with staging(folder / f"{name}.npy") as part:
                    np.save(part, batch[key].detach().cpu().numpy())
        # Last: it shows the data beside the samples, and they may not be here.
        save_picture(folder / "samples.png", self.show(batch))


class SplitPoints(Points):
    """Measured points: one list, cut into splits at random.

    Papers cut with the random numbers of their own frameworks, so their very splits are not to be
    had; the sizes are theirs, and they vary the seed.

    Args:
        seed: of the sample order.
        workers: processes that load.
        split: whose sizes of train, val and test, see `split_sizes`.
        split_seed: of which points go where.
    """

    def __init__(
        self, seed: int = 0, workers: int = 0, split: str = "rsgm", split_seed: int = 0
    ) -> None:
        super().__init__(seed, workers)
        split_sizes(0, split)
        self.split, self.split_seed = split, split_seed

    @abstractmethod
    def read(self) -> Float32[Tensor, "n ..."]:
        """All points, in the order of their file.

        Raises:
            DataError: it is missing or damaged.
        """

    def load(self, split: str) -> PointDataset:
        order = torch.from_numpy(permutation(len(self._points), self.split_seed, SPLIT))
        sizes = split_sizes(len(order), self.split)
        if min(sizes) < 1:
            raise DataError(
                f"{len(order)} points of {self.name} are too few for split={self.split}, which "
                f"would be {sizes[0]}, {sizes[1]} and {sizes[2]}: choose more data"
            )
        parts = order.split(sizes)
        return PointDataset(self._points[parts[self.held.index(split)]])

    @cached_property
    def _points(self) -> Float32[Tensor, "n ..."]:
        return self.read()


def split_sizes(n: int, split: str) -> tuple[int, int, int]:
    """How many of `n` points are for training, validation and test.

    `rsgm`: 80 % and 10 %, rounded down, and the rest (De Bortoli et al., 2022). `rfm`: 10 % rounded
    down for both validation and test (Chen and Lipman, 2024). `huang`: 80 % rounded down, and the
    rest halved (Huang et al., 2022). `srd`: so with 90 % (Lou et al., 2023, of lattices; they have
    no test split).

    Raises:
        DataError: an unknown name.

    Example:
        >>> [split_sizes(827, split) for split in ("rsgm", "rfm", "huang", "srd")]
        [(661, 82, 84), (663, 82, 82), (661, 83, 83), (744, 41, 42)]
    """
    if split == "rsgm":
        train, val = n * 8 // 10, n // 10
    elif split == "rfm":
        train, val = n - 2 * (n // 10), n // 10
    elif split == "srd":
        train = n * 9 // 10
        val = (n - train) // 2
    elif split == "huang":
        train = n * 8 // 10
        val = (n - train) // 2
    else:
        raise DataError(f"split must be 'rsgm', 'rfm', 'huang' or 'srd', got {split!r}")
    return train, val, n - train - val
