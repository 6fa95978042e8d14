"""Premetrics: directions toward a point, with geodesics or without them."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from ldm.spaces.space import Space

__all__ = ["GeodesicDistance", "Premetric"]


class Premetric(ABC):
    """A distance d whose descent leads from any point to any other: flows and bridges follow it.

    It need be no geodesic distance, only zero at equal points alone, and without critical points
    elsewhere but on a set of measure zero (Chen and Lipman 2024, "Flow matching on general
    geometries", section 3.2).
    """

    @abstractmethod
    def distance(self, x: Float[Tensor, "n ..."], z: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """`d(x, z)` of each pair."""

    @abstractmethod
    def direction(
        self, x: Float[Tensor, "n ..."], z: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        """`-d grad_x d / |grad_x d|^2`, the velocity at `x` that would reach `z` in unit time.

        It is the same for d and for any power p of it up to the factor 1 / p. The flow
        `dx = direction(x, z) / (1 - t) dt` has `d(x_t, z) = (1 - t) d(x_0, z)`.
        """


class GeodesicDistance(Premetric):
    """The distance of a space whose geodesics are known: its direction is `log`.

    Example:
        >>> import torch
        >>> from ldm.spaces import Flat
        >>> GeodesicDistance(Flat([2])).direction(torch.zeros(1, 2), torch.ones(1, 2))
        tensor([[1., 1.]])
    """

    def __init__(self, space: Space) -> None:
        self.space = space

    def distance(self, x: Float[Tensor, "n ..."], z: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        return self.space.distance(x, z)

    def direction(
        self, x: Float[Tensor, "n ..."], z: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        return self.space.log(x, z)
