"""Synthetic points with known densities, for which the best possible likelihood is known."""

from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, UInt64
from torch import Tensor

from data.batch import Batch
from data.order import Draw, mix
from data.points.base import PointDataset, Points
from data.values import check_positive, check_seed

__all__ = ["FreshPoints", "Synthetic", "uniforms"]

LAW, DRAWN = 3, 4  # stream ids that keep hashes for parameters and for training points apart


class FreshPoints(PointDataset):
    """Unlimited training points: a `Draw` returns a new point, determined by its seed.

    Args:
        points: the points returned for plain indices.
        draw: maps seeds of draws to points.
    """

    def __init__(
        self,
        points: Float32[Tensor, "n ..."],
        draw: Callable[[UInt64[np.ndarray, " b"]], Float32[Tensor, "b ..."]],
    ) -> None:
        super().__init__(points)
        self.draw = draw

    def __getitems__(self, items: Sequence[int | Draw]) -> Batch:
        batch = super().__getitems__(items)
        drawn = [
            i for i, item in enumerate(items) if isinstance(item, Draw) and item.seed is not None
        ]
        if drawn:
            batch["x"][drawn] = self.draw(np.array([items[i].seed for i in drawn], np.uint64))
        return batch


class Synthetic(Points):
    """Points of a known density; training never sees a point twice, as in the papers.

    A subclass maps uniform random numbers to points and implements their density.

    Args:
        seed: seed of the sample order, hence of the training points.
        workers: number of data loading processes.
        data_seed: seed of the random parameters of the distribution and of the held-out points.
        size: number of points in each split; in train, of those read in order.
    """

    views = ()  # every training draw is a new point

    numbers: int
    """Uniform numbers per point."""

    def __init__(
        self, seed: int = 0, workers: int = 0, data_seed: int = 0, size: int = 20_000
    ) -> None:
        super().__init__(seed, workers)
        check_positive(size=size)
        check_seed(data_seed=data_seed)
        self.data_seed, self.size = data_seed, size

    @abstractmethod
    def transform(self, u: Float64[Tensor, "n numbers"]) -> Float64[Tensor, "n ..."]:
        """Map independent uniform numbers in (0, 1) to independent points of the distribution."""

    @abstractmethod
    def log_density(self, x: Float[Tensor, "n ..."]) -> Float64[Tensor, " n"]:
        """Compute the log density with respect to the Riemannian volume, nats."""

    @property
    def entropy(self) -> float | None:
        """Entropy, nats: a lower bound for a model's expected NLL; None if unknown."""
        return None

    def optimum(self, split: str = "test") -> float:
        """Compute the mean NLL of the true distribution on a split's points, nats."""
        return -self.log_density(self.dataset_of(split).points).mean().item()

    def load(self, split: str) -> PointDataset:
        number = self.held.index(split)
        points = self._points(mix(self.data_seed, number, np.arange(self.size)))
        if split != "train":
            return PointDataset(points)
        return FreshPoints(points, lambda seeds: self._points(mix(self.data_seed, DRAWN, seeds)))

    def parameters(self, *shape: int) -> Float64[Tensor, "*shape"]:
        """Draw uniform numbers in (0, 1) for random parameters of the distribution."""
        keys = mix(self.data_seed, LAW, np.arange(int(np.prod(shape[:-1]))))
        return uniforms(keys, shape[-1]).reshape(shape)

    def _points(self, keys: UInt64[np.ndarray, " n"]) -> Float32[Tensor, "n ..."]:
        return self.transform(uniforms(keys, self.numbers)).float()


def uniforms(keys: UInt64[np.ndarray, " n"], numbers: int) -> Float64[Tensor, "n numbers"]:
    """Hash keys to numbers in (0, 1), the same on all machines and library versions."""
    bits = mix(keys[:, None], np.arange(numbers)[None])
    return torch.from_numpy(((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53)
