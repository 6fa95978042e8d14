"""Brownian motion on the spheres S^d, d of 2 or more."""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import vector_norm

from ldm.randomness import Generators
from ldm.spaces.heat_kernels.heat_kernel import HeatKernel
from ldm.spaces.heat_kernels.radial import radial_kernel
from ldm.spaces.heat_kernels.radial_map import stretch

if TYPE_CHECKING:
    from ldm.spaces.sphere import Sphere

__all__ = ["SphereHeatKernel"]


class SphereHeatKernel(HeatKernel):
    """The law of Brownian motion on a sphere, exact to rounding for every positive variance.

    Densities and scores have the error of `radial_kernel`, and what rounding the points brings;
    draws that of `stretch`. Costs do not depend on the variance, and on the dimension only by the
    coordinates.

    Args:
        space: the sphere, of dimension 2 or more.
    """

    def __init__(self, space: "Sphere") -> None:
        self.space = space

    def log_density(
        self, x: Float[Tensor, "n ..."], origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        return self._radial(x, origin, s)[0].to(x.dtype)

    def score(
        self, x: Float[Tensor, "n ..."], origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        slope = self._radial(x, origin, s)[1].to(x.dtype).unsqueeze(1)
        # The gradient of the cosine is the tangent part of the origin; the shorter of the chords
        # from x and from its antipode keeps its digits.
        side = (x * origin).sum(1, keepdim=True).sign()
        return slope * self.space.tangent(x, origin - side * x)

    def sample(
        self, origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"], generator: Generators = None
    ) -> Float[Tensor, "n ..."]:
        """A normal tangent vector, stretched so that its length has the law of the angle."""
        v = self.space.random_tangent(origin, generator)
        scale = stretch(vector_norm(v, dim=1), s, self.space.dim)
        return self.space.exp(origin, scale.to(v.dtype).unsqueeze(1) * v)

    def _radial(self, x: Tensor, origin: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        precision = torch.float64 if x.dtype == torch.float64 else torch.float32
        near, far = (vector_norm(z, dim=1).double() for z in (x - origin, x + origin))
        angle, supplement = 2 * torch.atan2(near, far), 2 * torch.atan2(far, near)
        return radial_kernel(angle, supplement, s, self.space.dim, precision)
