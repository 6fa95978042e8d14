"""Points drawn from laws that are known, so that it is known how well a model can do."""

from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, UInt64
from torch import Tensor

from data.batch import Batch
from data.files.errors import DataError
from data.order import Draw, mix
from data.points.base import PointDataset, Points

__all__ = ["FreshPoints", "Synthetic", "uniforms"]

LAW, DRAWN = 3, 4  # what a mixed number is for: a parameter of the law, a draw of a training epoch


class FreshPoints(PointDataset):
    """As many points as one likes: a `Draw` is answered with a new one, which its seed names.

    Args:
        points: those that indices ask for.
        draw: from the seeds of draws to points.
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
    """Points of a known density. Training never sees one twice, as in the papers that use these.

    A subclass turns uniform random numbers into points, and says their density.

    Args:
        seed: of the sample order, and so of the points that training draws.
        workers: processes that load.
        data_seed: of the law's random parameters, where it has some, and of the held-out points.
        size: points in each split; of the train split, those that are looked at in order.
    """

    views = ()  # every draw of training is a new point

    numbers: int
    """How many uniform numbers make one point."""

    def __init__(
        self, seed: int = 0, workers: int = 0, data_seed: int = 0, size: int = 20_000
    ) -> None:
        super().__init__(seed, workers)
        if size < 1:
            raise DataError(f"size must be 1 point or more, got {size}")
        self.data_seed, self.size = data_seed, size

    @abstractmethod
    def transform(self, u: Float64[Tensor, "n numbers"]) -> Float64[Tensor, "n ..."]:
        """Independent uniform numbers in (0, 1) to independent points of the law."""

    @abstractmethod
    def log_density(self, x: Float[Tensor, "n ..."]) -> Float64[Tensor, " n"]:
        """Of the law, nats against the Riemannian volume of the manifold."""

    @property
    def entropy(self) -> float | None:
        """Of the law, nats: no model has a lower negative log-likelihood. None where unknown."""
        return None

    def optimum(self, split: str = "test") -> float:
        """Mean negative log density of a split's points, nats: what the true law scores on them."""
        return -self.log_density(self.dataset_of(split).points).mean().item()

    def load(self, split: str) -> PointDataset:
        number = self.held.index(split)
        points = self._points(mix(self.data_seed, number, np.arange(self.size)))
        if split != "train":
            return PointDataset(points)
        return FreshPoints(points, lambda seeds: self._points(mix(self.data_seed, DRAWN, seeds)))

    def parameters(self, *shape: int) -> Float64[Tensor, "*shape"]:
        """Uniform numbers in (0, 1) that random parameters of the law are made of."""
        keys = mix(self.data_seed, LAW, np.arange(int(np.prod(shape[:-1]))))
        return uniforms(keys, shape[-1]).reshape(shape)

    def _points(self, keys: UInt64[np.ndarray, " n"]) -> Float32[Tensor, "n ..."]:
        return self.transform(uniforms(keys, self.numbers)).float()


def uniforms(keys: UInt64[np.ndarray, " n"], numbers: int) -> Float64[Tensor, "n numbers"]:
    """Numbers in (0, 1) that are a function of their keys: the same on all machines, for good."""
    bits = mix(keys[:, None], np.arange(numbers)[None])
    return torch.from_numpy(((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53)
