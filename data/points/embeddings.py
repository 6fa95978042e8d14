"""Image embeddings on high-dimensional spheres, for out-of-distribution detection."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from data.drawing import principal_plane
from data.files.arrays import read_array
from data.files.errors import DataError
from data.files.roots import find, looked_for
from data.points.base import PointDataset, Points

__all__ = ["Embeddings"]

SETS = ("SVHN", "places365", "LSUN", "iSUN", "dtd")
TOLERANCE = 1e-3  # of norms, for unit vectors saved in half precision


class Embeddings(Points):
    """CIDER embeddings (Ming et al., 2023) of CIFAR on the unit sphere, as in Lou et al. (2023).

    Files are `cider_outputs_<dim>/<dataset>/<set>.npy`, arrays `(n, dim)`; the sets are train,
    valid, and the out-of-distribution sets. `valid` is both the val and the test split: the paper
    selects nothing on it and reports scores on it.

    Args:
        dataset: "CIFAR-10" or "CIFAR-100".
        dim: dimension of the embeddings.
        seed: seed of the sample order.
        workers: number of data loading processes.
        outside: names of the out-of-distribution sets to use.
        root: folder of `cider_outputs_<dim>`; see data/README.md for the folders searched by
            default.

    Raises:
        DataError: a file is missing, has another shape, or contains vectors that are not finite or
            not of length one.
    """

    def __init__(
        self,
        dataset: str = "CIFAR-10",
        dim: int = 128,
        seed: int = 0,
        workers: int = 0,
        outside: Sequence[str] = SETS,
        root: str | None = None,
    ) -> None:
        super().__init__(seed, workers)
        if dataset not in ("CIFAR-10", "CIFAR-100"):
            raise DataError(f"dataset must be 'CIFAR-10' or 'CIFAR-100', got {dataset!r}")
        if unknown := set(outside) - set(SETS):
            raise DataError(f"embeddings are of {', '.join(SETS)}, got {', '.join(unknown)}")
        self.dataset, self.dim, self.root, self.outside = dataset, dim, root, tuple(outside)
        self.name = f"CIDER {dataset} {dim}"

    @property
    def shape(self) -> tuple[int]:
        """Shape of one point: `(dim,)`."""
        return (self.dim,)

    def load(self, split: str) -> PointDataset:
        return self._train if split == "train" else self._valid

    def ood_dataset(self, name: str) -> PointDataset:
        """Load the embeddings of an out-of-distribution set.

        Args:
            name: "SVHN", "places365", "LSUN", "iSUN" or "dtd".
        """
        if name not in SETS:
            raise DataError(f"embeddings are of {', '.join(SETS)}, got {name!r}")
        return PointDataset(self._read(name))

    @cached_property
    def _train(self) -> PointDataset:
        return PointDataset(self._read("train"))

    @cached_property
    def _valid(self) -> PointDataset:
        return PointDataset(self._read("valid"))

    def _read(self, name: str) -> Float32[Tensor, "n dim"]:
        place = f"cider_outputs_{self.dim}/{self.dataset}/{name}.npy"
        path = find(self.root, place)
        if path is None:
            raise DataError(
                f"{name}.npy is at none of {looked_for(self.root, place)}: write the embeddings of "
                "a trained CIDER encoder there, set `root` or LDM_DATA, or leave the set out of "
                "`outside`"
            )
        return _unit_vectors(path, self.dim)

    def drawing(
        self, data: Float[Tensor, "n dim"], samples: Float[Tensor, "m dim"]
    ) -> Float[Tensor, "3 h w"]:
        return principal_plane(data, samples)


def _unit_vectors(path: Path, dim: int) -> Float32[Tensor, "n dim"]:
    array = read_array(path, "write it again")
    if array.ndim != 2 or array.shape[1] != dim or array.dtype.kind != "f":
        raise DataError(
            f"{path} should hold an array (n, {dim}) of real numbers, got {array.dtype} "
            f"{array.shape}: choose the `dim` of the embeddings"
        )
    vectors = torch.from_numpy(array).double()
    norms = torch.linalg.vector_norm(vectors, dim=1)
    bad = ~((norms - 1).abs() <= TOLERANCE)  # also where it is NaN
    if bad.any():
        row = int(bad.nonzero()[0])
        raise DataError(
            f"{path} should hold unit vectors, and {int(bad.sum())} of {len(norms)} are not: row "
            f"{row} has length {norms[row]:.4g}; normalise them"
        )
    return (vectors / norms[:, None]).float()
