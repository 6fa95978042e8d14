"""Unit spheres: the latents of spherical quantisers, directions, points on the earth."""

import math
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators, normal
from ldm.spaces.heat_kernel import HeatKernel
from ldm.spaces.heat_kernels.circle import CircleHeatKernel
from ldm.spaces.heat_kernels.sphere import SphereHeatKernel
from ldm.spaces.space import Space

__all__ = ["Sphere"]

_LEAST = 64 * torch.finfo(torch.float64).tiny


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

        So do points too short to be squared in double precision, which all others are in: below
        1e-153. Those above 1e154 are too long to be.
        """
        wide = x.double()
        square = _dot(wide, wide)
        kept = (square > _LEAST).double()
        y = wide * (kept * square.clamp(min=_LEAST).rsqrt())
        y[..., :1] += 1 - kept
        return y.to(x.dtype)

    def tangent(
        self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        # Over |x|^2, though that is one: so the field stays tangent off the sphere too, without
        # which its divergence in ambient coordinates is not the sphere's.
        return v - x * (_dot(x, v) / _dot(x, x).clamp(min=torch.finfo(x.dtype).tiny))

    def exp(self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        angle = _length(v)
        y = torch.cos(angle) * x + (torch.sin(angle) / angle) * v
        return y * _dot(y, y).rsqrt()  # else a long walk drifts off by rounding

    def log(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """The shortest velocity from `x` to `y`; to the antipode, one of the many of length pi."""
        minus, plus = y - x, y + x
        near, far = _dot(minus, minus), _dot(plus, plus)
        # From the nearer of x and -x, an exact difference: from y alone, both ends lose digits.
        side = 1 - 2 * (far < near).to(x.dtype)
        v = _somewhere(x, y - side * x, far)
        v = torch.addcmul(v, _dot(x, v), x, value=-1)
        return v * (_angle(near, far) / _length(v))

    def transport(
        self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        """Along one of the many geodesics where `y` is the antipode of `x`.

        The turn that takes x to y acts on vectors orthogonal to x as the reflection along x + y.
        """
        plus = y + x
        far = _dot(plus, plus)
        normal = _somewhere(x, y + x, far)
        normal = normal - (far < _lost(x)).to(x.dtype) * _dot(x, normal) * x
        reflected = v - normal * (2 * _dot(normal, v) / _dot(normal, normal))
        return self.tangent(y, reflected)

    def frame(self, x: Float[Tensor, "n ..."], c: Float[Tensor, "n dim"]) -> Float[Tensor, "n ..."]:
        """Axes 1 to d, reflected by the Householder map that takes axis 0 to x or -x."""
        v = torch.cat([torch.zeros_like(c[:, :1]), c], dim=-1)
        side = 1 - 2 * (x[..., :1] < 0).to(x.dtype)
        w = torch.cat([x[..., :1] + side, x[..., 1:]], dim=-1)  # never short
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
        angle = _length(v).squeeze(-1)
        return torch.special.xlogy(self.dim - 1, torch.sinc(angle / math.pi).abs())

    def distance(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        minus, plus = y - x, y + x
        return _angle(_dot(minus, minus), _dot(plus, plus)).squeeze(-1)

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
        """Log density of the uniform distribution: minus the log volume everywhere."""
        return x.new_full(x.shape[:1], -self.log_volume)

    def __repr__(self) -> str:
        return f"Sphere({self.dim})"


def _dot(x: Tensor, y: Tensor) -> Tensor:
    product = x * y
    if product.shape[-1] > 4:
        return product.sum(-1, keepdim=True)
    # Over so few numbers torch's own sum is several times slower.
    return reduce(torch.add, product.unbind(-1)).unsqueeze(-1)


def _length(v: Tensor) -> Tensor:
    """Length of each vector; quotients of two such, and their gradients, are finite at zero."""
    return _dot(v, v).clamp(min=4 * torch.finfo(v.dtype).tiny).sqrt()


def _angle(near: Tensor, far: Tensor) -> Tensor:
    """Angle from the squared chords from a point to another and to its antipode."""
    # At the antipode half the angle has tangent one over epsilon: a right angle, to its last digit.
    info = torch.finfo(far.dtype)
    return 2 * (near.clamp(min=4 * info.tiny) / far.clamp(min=info.eps**2)).sqrt().atan()


def _lost(x: Tensor) -> float:
    """The squared chord to an antipode below which nothing is left of its direction."""
    return (8 * torch.finfo(x.dtype).eps) ** 2


def _somewhere(x: Tensor, v: Tensor, far: Tensor) -> Tensor:
    """`v`, moved to some axis that is not along `x` where the direction of an antipode is lost."""
    lost, along = far < _lost(x), x[..., :1].abs() > 0.8
    v[..., :1] += (lost & ~along).to(v.dtype)
    v[..., 1:2] += (lost & along).to(v.dtype)
    return v
