"""Brownian motion on real projective space: that on the sphere with antipodes identified."""

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators
from ldm.spaces.heat_kernel import HeatKernel

__all__ = ["ProjectiveHeatKernel"]


class ProjectiveHeatKernel(HeatKernel):
    """Sum of the sphere's heat kernel over the two antipodal representatives of a point.

    Args:
        sphere: the heat kernel of the sphere, the double cover of the space.
    """

    def __init__(self, sphere: HeatKernel) -> None:
        self.sphere = sphere

    def log_density(
        self, x: Float[Tensor, "n d"], origin: Float[Tensor, "n d"], s: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        return torch.logaddexp(*self._sheets(x, origin, s))

    def score(
        self, x: Float[Tensor, "n d"], origin: Float[Tensor, "n d"], s: Float[Tensor, " n"]
    ) -> Float[Tensor, "n d"]:
        near, far = self._sheets(x, origin, s)
        weight = torch.sigmoid(near - far).unsqueeze(1)
        scores = self.sphere.score(x, origin, s), self.sphere.score(x, -origin, s)
        return weight * scores[0] + (1 - weight) * scores[1]

    def sample(
        self, origin: Float[Tensor, "n d"], s: Float[Tensor, " n"], generator: Generators = None
    ) -> Float[Tensor, "n d"]:
        return self.sphere.sample(origin, s, generator)

    def _sheets(self, x, origin, s):
        return self.sphere.log_density(x, origin, s), self.sphere.log_density(x, -origin, s)
