"""Base classes of datasets of points on manifolds: in-memory datasets, splits, drawings."""

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
from data.module import DataModule
from data.order import Draw, permutation
from data.points.charts import Chart
from data.values import check_seed

__all__ = ["PointDataset", "Points", "SplitPoints", "split_sizes"]

SPLIT = 2  # stream id of the split, which keeps its permutation apart from those of epochs


class PointDataset(Dataset):
    """Points in ambient coordinates of their manifold, held in memory.

    Args:
        points: the samples; duplicates are kept.
        labels: class of each sample, if there are classes.

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
        """Hash all points and labels."""
        digest = hashlib.sha256(str(tuple(self.points.shape)).encode())
        digest.update(self.points.contiguous().numpy())
        if self.labels is not None:
            digest.update(self.labels.numpy())
        return digest.hexdigest()


class Points(DataModule):
    """Dataset of points with train, val and test splits.

    Training draws without replacement in each epoch, as for images. Papers differ: RSGM draws with
    replacement; flow matching repeats the dataset many times and drops the last batch.
    """

    held: ClassVar[tuple[str, ...]] = ("train", "val", "test")

    shown: ClassVar[int] = 1000
    overview: ClassVar[int] = 1000

    outside: tuple[str, ...] = ()
    """Names of the out-of-distribution sets, for detection by likelihood."""

    @abstractmethod
    def load(self, split: str) -> PointDataset: ...

    def ood_dataset(self, name: str) -> PointDataset:
        """Load one of the out-of-distribution sets named in `outside`.

        Raises:
            DataError: there is no such set, or its file is missing or damaged.
        """
        raise DataError(f"{self.name} has no set outside it, asked for {name!r}")

    def log_density(self, x: Float[Tensor, "n ..."]) -> Float64[Tensor, " n"] | None:
        """Log density of the data with respect to volume, nats; None if it is unknown."""
        return None

    def action(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"] | None:
        """Compute minus the log density up to a constant, nats; None if it is unknown."""
        return None

    def chart(self) -> Chart | None:
        """Return how a density on this space is drawn; None if there is no suitable drawing."""
        return None

    @abstractmethod
    def drawing(
        self, data: Float[Tensor, "n ..."], samples: Float[Tensor, "m ..."]
    ) -> Float[Tensor, "3 h w"]:
        """Draw samples beside data in the way customary in the field: an image in [0, 1]."""

    def show(self, batch: Batch, columns: int | None = None) -> Float[Tensor, "3 h w"]:
        """Draw the samples beside the test data: one image in [0, 1]; `columns` is unused."""
        return self.drawing(self.test_dataset.points, batch["x"].detach().float().cpu())

    def save(self, folder: Path, batch: Batch) -> None:
        """Write `samples.npy` of shape `(n, *shape)`, and `labels.npy` if any."""
        for name, key in {"samples": "x", "labels": "label"}.items():
            if key in batch:
                with staging(folder / f"{name}.npy") as part:
                    np.save(part, batch[key].detach().cpu().numpy())


class SplitPoints(Points):
    """Measured points, split at random into train, val and test.

    Papers split with the random numbers of their own frameworks, so their exact splits cannot be
    reproduced; sizes are the published ones, and papers average over seeds of the split.

    Args:
        seed: seed of the sample order.
        workers: number of data loading processes.
        split: convention for the sizes of train, val and test, see `split_sizes`.
        split_seed: seed of the random split.
    """

    def __init__(
        self, seed: int = 0, workers: int = 0, split: str = "rsgm", split_seed: int = 0
    ) -> None:
        super().__init__(seed, workers)
        split_sizes(0, split)
        check_seed(split_seed=split_seed)
        self.split, self.split_seed = split, split_seed

    @abstractmethod
    def read(self) -> Float32[Tensor, "n ..."]:
        """Read all points, in the order of their file.

        Raises:
            DataError: the file is missing or damaged.
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
    """Compute the numbers of training, validation and test points out of `n`.

    `rsgm`: 80 % training and 10 % validation, both rounded down, and the rest for test (De Bortoli
    et al., 2022). `rfm`: 10 %, rounded down, for each of validation and test (Chen and Lipman,
    2024). `huang`: 80 % training, rounded down, and the rest halved (Huang et al., 2022). `srd`:
    90 % training, and the rest halved (Lou et al., 2023, for lattices; they have no test split).

    Raises:
        DataError: the name is unknown.

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
