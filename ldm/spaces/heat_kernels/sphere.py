"""Brownian motion on the spheres S^d, d >= 2."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.linalg import vector_norm

from ldm.randomness import Generators
from ldm.spaces.heat_kernel import HeatKernel
from ldm.spaces.heat_kernels.radial import radial_kernel
from ldm.spaces.heat_kernels.radial_map import stretch
from ldm.spaces.space import Space

__all__ = ["SphereHeatKernel"]


class SphereHeatKernel(HeatKernel):
    """Heat kernel of a sphere, exact to rounding for variances of 1e-12 and more.

    Densities and scores have the error of `radial_kernel` plus that of rounding the points;
    samples have the error of `stretch`. The cost does not depend on the variance, and on the
    dimension only through the number of coordinates.

    Args:
        space: the sphere, of dimension 2 or more.
    """

    def __init__(self, space: Space) -> None:
        self.space = space

    def log_density(
        self, x: Float[Tensor, "n ..."], origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        return self._radial(_chord(x, origin), s, x.dtype)[0]

    def score(
        self, x: Float[Tensor, "n ..."], origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        chord = _chord(x, origin)
        slope = self._radial(chord, s, x.dtype)[1].unsqueeze(1)
        # The gradient of the cosine is the tangent part of the origin, which is that of the chord.
        vector, opposite = chord
        outward = vector_norm(vector, dim=1, keepdim=True).square() / 2
        outward = torch.where(opposite.unsqueeze(1), outward, -outward)
        return slope * torch.addcmul(vector, outward, x, value=-1)

    def sample(
        self, origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"], generator: Generators = None
    ) -> Float[Tensor, "n ..."]:
        """Draw a normal tangent vector, rescale it to the distribution of the angle, apply exp."""
        v = self.space.random_tangent(origin, generator)
        scale = stretch(vector_norm(v, dim=1), s, self.space.dim)
        return self.space.exp(origin, scale.to(v.dtype).unsqueeze(1) * v)

    def _radial(
        self, chord: tuple[Tensor, Tensor], s: Tensor, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        vector, opposite = chord
        short = 2 * (vector_norm(vector, dim=1).double() / 2).clamp(max=1).asin()
        long = math.pi - short
        angle, supplement = torch.where(opposite, long, short), torch.where(opposite, short, long)
        precision = torch.float64 if dtype == torch.float64 else torch.float32
        log_kernel, slope = radial_kernel(angle, supplement, s, self.space.dim, precision)
        return log_kernel.to(dtype), slope.to(dtype)


def _chord(
    x: Float[Tensor, "n ..."], origin: Float[Tensor, "n ..."]
) -> tuple[Float[Tensor, "n ..."], Bool[Tensor, " n"]]:
    """Compute the vector to the origin from x or -x, whichever is nearer, to avoid cancellation."""
    opposite = (x * origin).sum(1) < 0  # not vecdot, which autocast would round
    side = torch.where(opposite, 1.0, -1.0).to(x.dtype).unsqueeze(1)
    return torch.addcmul(origin, side, x), opposite
