"""Unit spheres: the latents of spherical quantisers, directions, points on the earth."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import vector_norm

from ldm.randomness import Generators, normal
from ldm.spaces.heat_kernels.circle import CircleHeatKernel
from ldm.spaces.heat_kernels.heat_kernel import HeatKernel
from ldm.spaces.heat_kernels.sphere import SphereHeatKernel
from ldm.spaces.space import Space

__all__ = ["Sphere"]


class Sphere(Space):
    """The unit sphere S^d in R^(d+1); its reference measure is uniform.

    Distances are angles in radians. They come from arctangents of chords, which keep their digits
    where arccosines lose half of them: near zero and near pi (Kahan 2006, "How futile are mindless
    assessments of roundoff in floating-point computation?").

    Args:
        dim: d, of the sphere itself: 1 for the circle, 2 for the surface of a ball.

    Raises:
        ValueError: `dim` is less than 1; S^0 is two points, without directions to move in.

    Example:
        >>> sphere = Sphere(2)
        >>> north, east = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[1.0, 0.0, 0.0]])
        >>> sphere.distance(north, east), sphere.log(north, east)
        (tensor([1.5708]), tensor([[1.5708, 0.0000, 0.0000]]))
    """

    def __init__(self, dim: int) -> None:
        if dim < 1:
            raise ValueError(f"a sphere needs a dimension of 1 or more, got {dim}")
        self.dim = dim
        self.shape = (dim + 1,)
        half = (dim + 1) / 2
        self.log_volume = math.log(2) + half * math.log(math.pi) - math.lgamma(half)

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n ..."]:
        return self.project(normal((n, *self.shape), generator, device, dtype))

    def project(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """The direction of each point; the origin, equally near to all, goes to the first axis.

        So do points too short to be squared: below 1e-18 in single precision.
        """
        norm = vector_norm(x, dim=-1, keepdim=True)
        least = 8 * math.sqrt(torch.finfo(x.dtype).tiny)
        kept = (norm > least).to(x.dtype)
        y = x * (kept / norm.clamp(min=least))
        y[..., :1] += 1 - kept
        return y

    def tangent(
        self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        # Over |x|^2, though that is one: so the field stays tangent off the sphere too, without
        # which its divergence in ambient coordinates is not the sphere's.
        return v - x * (_dot(x, v) / _positive(_dot(x, x)))

    def exp(self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        angle = _positive(vector_norm(v, dim=-1, keepdim=True))
        y = torch.cos(angle) * x + (torch.sin(angle) / angle) * v
        return y / vector_norm(y, dim=-1, keepdim=True)  # else a long walk drifts off by rounding

    def log(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """The shortest velocity from `x` to `y`; to the antipode, one of the many of length pi."""
        near, far = _chord(x, y), _chord(x, -y)
        # From the nearer of x and -x, an exact difference: from y alone, both ends lose digits.
        side = 1 - 2 * (far < near).to(x.dtype)
        v = y - side * x
        # Nothing is left of the direction at the antipode, so any will do: one of two axes.
        lost = far < 8 * torch.finfo(x.dtype).eps
        along = x[..., :1].abs() > 0.8
        v[..., :1] += (lost & ~along).to(v.dtype)
        v[..., 1:2] += (lost & along).to(v.dtype)
        v = v - _dot(x, v) * x
        return v * (_angle(near, far) / _positive(vector_norm(v, dim=-1, keepdim=True)))

    def transport(
        self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        """Along one of the many geodesics where `y` is the antipode of `x`."""
        w = self.log(x, y)
        angle = vector_norm(w, dim=-1, keepdim=True)
        u = w / _positive(angle)
        # Only the part along the geodesic turns.
        turned = (torch.cos(angle) - 1) * u - torch.sin(angle) * x
        return self.tangent(y, v + _dot(u, v) * turned)

    def frame(self, x: Float[Tensor, "n ..."], c: Float[Tensor, "n dim"]) -> Float[Tensor, "n ..."]:
        """Axes 1 to d, reflected by the Householder map that takes axis 0 to x or -x."""
        v = torch.cat([torch.zeros_like(c[:, :1]), c], dim=-1)
        side = torch.where(x[..., :1] < 0, -1.0, 1.0).to(x.dtype)
        w = x + side * self._axis(x, 0)  # never short
        return v - w * (2 * _dot(w, v) / _dot(w, w))

    @property
    def heat_kernel(self) -> HeatKernel:
        return CircleHeatKernel() if self.dim == 1 else SphereHeatKernel(self)

    def scalar_curvature(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        return x.new_full(x.shape[:1], self.dim * (self.dim - 1))

    def log_exp_jacobian(
        self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, " n"]:
        """`(d - 1) log |sin r / r|` with `r = |v|`; minus infinity at the antipode."""
        angle = vector_norm(v, dim=-1)
        return torch.special.xlogy(self.dim - 1, torch.sinc(angle / math.pi).abs())

    def distance(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        return _angle(_chord(x, y), _chord(x, -y)).squeeze(-1)

    def spread(self, n: int) -> Float[Tensor, "n ..."]:
        """A Fibonacci lattice on S^2: equal heights, each turned by the golden angle."""
        if self.dim != 2:
            return super().spread(n)
        number = torch.arange(n, dtype=torch.float64)
        z = 1 - (2 * number + 1) / n
        turn = number * math.pi * (3 - math.sqrt(5))
        level = (1 - z.square()).sqrt()
        return torch.stack([level * turn.cos(), level * turn.sin(), z], dim=1)

    def log_density(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Of the uniform law: minus the log volume everywhere."""
        return x.new_full(x.shape[:1], -self.log_volume)

    def _axis(self, x: Tensor, index: int) -> Tensor:
        """The unit vector of one coordinate."""
        return (torch.arange(x.shape[-1], device=x.device) == index).to(x.dtype)

    def __repr__(self) -> str:
        return f"Sphere({self.dim})"


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum(-1, keepdim=True)


def _chord(x: Tensor, y: Tensor) -> Tensor:
    return vector_norm(x - y, dim=-1, keepdim=True)


def _angle(near: Tensor, far: Tensor) -> Tensor:
    """Of the chords from a point to another and to its antipode."""
    # At the antipode half the angle has tangent one over epsilon: a right angle, to its last digit.
    return 2 * torch.atan(_positive(near) / far.clamp(min=torch.finfo(far.dtype).eps))


def _positive(x: Tensor) -> Tensor:
    # Quotients of two such, and their gradients, are finite at zero; half of it is still normal.
    return x.clamp(min=4 * torch.finfo(x.dtype).tiny)
