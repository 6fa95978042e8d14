"""Brownian motion in Euclidean space: the normal distribution."""

import math

from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators
from ldm.spaces.heat_kernel import HeatKernel
from ldm.spaces.space import Space

__all__ = ["FlatHeatKernel"]


class FlatHeatKernel(HeatKernel):
    """Normal distribution `N(origin, s I)` on a flat space."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def log_density(
        self, x: Float[Tensor, "n ..."], origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        away = (x - origin).flatten(1)
        return -0.5 * (away.square().sum(1) / s + self.space.directions * (2 * math.pi * s).log())

    def score(
        self, x: Float[Tensor, "n ..."], origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        return (origin - x) / s.view(-1, *[1] * (x.ndim - 1))

    def sample(
        self, origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"], generator: Generators = None
    ) -> Float[Tensor, "n ..."]:
        noise = self.space.random_tangent(origin, generator)
        return origin + s.sqrt().view(-1, *[1] * (origin.ndim - 1)) * noise
