"""Hyperbolic space as a hyperboloid: latents of trees and hierarchies."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import vector_norm

from ldm.randomness import Generators, normal
from ldm.spaces.heat_kernel import HeatKernel
from ldm.spaces.heat_kernels.hyperbolic import HyperbolicHeatKernel
from ldm.spaces.numerics.sinhc import (
    asinh_of_root_squared,
    cosh_of_root,
    log_sinhc_of_root,
    sinhc_of_root,
)
from ldm.spaces.space import Space

__all__ = ["Hyperboloid"]


class Hyperboloid(Space):
    """The upper sheet of `<x, x> = -1` in R^(d+1), of curvature -1; time is coordinate 0.

    `<x, y> = -x_0 y_0 + x_1 y_1 + ...` is Lorentz's product, which measures tangent vectors too.
    The reference measure is the wrapped normal: exp of a normal tangent vector at the origin
    (1, 0, ..., 0), as in Nagano et al. 2019, "A wrapped normal distribution on hyperbolic space".

    The spatial coordinates say which point is meant and the time coordinate is made of them, so no
    walk drifts off. At a radius r coordinates have the size of e^r: relative errors of distances
    grow like e^r machine epsilons. Those of `inner` grow like their square, so that it loses all
    digits at r = 9 in float32 and 19 in float64 (Mishne et al. 2023, "The numerical stability of
    hyperbolic representation learning"): stay below half of that. Steps are cut short where squares
    of coordinates would overflow, at r = 21 and 176.

    Args:
        dim: d, of the space itself.
        scale: standard deviation of the reference measure in each unit tangent direction.

    Raises:
        ValueError: `dim` is less than 1 or `scale` is not positive.

    Example:
        >>> plane = Hyperboloid(2)
        >>> origin = torch.tensor([[1.0, 0.0, 0.0]])
            >>> plane.distance(origin, plane.exp(origin, torch.tensor([[0.0, 3.0, 4.0]]))).round()
            tensor([5.])
    """

    def __init__(self, dim: int, scale: float = 1.0) -> None:
        if dim < 1 or not scale > 0:
            raise ValueError(
                f"hyperbolic space needs a dimension of 1 or more and a scale above 0, "
                f"got {dim} and {scale}"
            )
        self.dim, self.scale = dim, scale
        self.shape = (dim + 1,)

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n ..."]:
        v = self.scale * normal((n, self.dim), generator, device, dtype)
        return _lifted(v * sinhc_of_root(_dot(v, v)))

    def project(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """The point straight above or below, of the same spatial coordinates.

        Not the nearest one in the Euclidean sense, which means nothing to this geometry.
        """
        return _lifted(x[..., 1:])

    def tangent(
        self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        """Orthogonal in Lorentz's product: `v + <x, v> x`."""
        return _along(x, v[..., 1:] + _lorentz(x, v) * x[..., 1:])

    def exp(self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        # Of any finite step: no square of it overflows when its largest coordinate is one.
        size = v[..., 1:].detach().abs().amax(-1, keepdim=True).clamp(min=1)
        v = v[..., 1:] / size
        square = _square_with_wedge(x[..., 1:], v) / x[..., :1].square()
        length = _positive(square).sqrt()
        # Within this radius squares of products of two coordinates are finite. A geodesic that
        # leaves at the rate d cosh(radius) = outwards * length gets as far as room + log 2.
        radius = math.log(torch.finfo(x.dtype).max) / 4 - 2
        outwards = (_along(x, v)[..., :1] / length).detach()
        room = radius - torch.maximum(x[..., :1] + outwards, 0.5 / x[..., :1]).log()
        stretch = size.minimum(_positive(room) / length)
        square = stretch.square() * square
        return _lifted(cosh_of_root(square) * x[..., 1:] + sinhc_of_root(square) * stretch * v)

    def log(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        half = _squared_sinh_half_distance(x, y)
        to = (y - x - 2 * half * x)[..., 1:]  # y - cosh(d) x, also where d is tiny
        return _along(x, to / sinhc_of_root(4 * asinh_of_root_squared(half)))

    def inner(
        self, x: Float[Tensor, "n ..."], u: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, " n"]:
        """Lorentz's product, positive for tangent vectors."""
        return _lorentz(u, v).squeeze(-1)

    def transport(
        self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        # <y, v> = <y - x, v>, and 1 - <x, y> = 2 + 2 sinh^2(d / 2).
        turn = _lorentz(y - x, v) / (2 + 2 * _squared_sinh_half_distance(x, y))
        return _along(y, (v + turn * (x + y))[..., 1:])

    def frame(self, x: Float[Tensor, "n ..."], c: Float[Tensor, "n dim"]) -> Float[Tensor, "n ..."]:
        """Axes 1 to d at the origin, carried to `x` in parallel."""
        space = x[..., 1:]
        return _along(x, c + space * (_dot(space, c) / (1 + x[..., :1])))

    def gradient(
        self, x: Float[Tensor, "n ..."], euclidean: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        return self.tangent(x, torch.cat([-euclidean[..., :1], euclidean[..., 1:]], dim=-1))

    def log_exp_jacobian(
        self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, " n"]:
        """`(d - 1) log(sinh r / r)` with `r = |v|`."""
        square = _square_with_wedge(x[..., 1:], v[..., 1:]) / x[..., :1].square()
        return (self.dim - 1) * log_sinhc_of_root(square.squeeze(-1))

    @property
    def heat_kernel(self) -> HeatKernel:
        return HyperbolicHeatKernel(self)

    def distance(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        square = self.squared_distance(x, y)
        # Where the points meet the gradient is zero, as that of a norm.
        return torch.where(square > 0, _positive(square).sqrt(), square)

    def squared_distance(
        self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]
    ) -> Float[Tensor, " n"]:
        """Smooth, also where the points meet."""
        return 4 * asinh_of_root_squared(_squared_sinh_half_distance(x, y)).squeeze(-1)

    def log_density(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Log density of the wrapped normal at the origin."""
        square = asinh_of_root_squared(x[..., 1:].square().sum(-1))
        log_normal = -0.5 * square / self.scale**2
        log_normal = log_normal - self.dim * math.log(self.scale * math.sqrt(2 * math.pi))
        return log_normal - (self.dim - 1) * log_sinhc_of_root(square)

    def __repr__(self) -> str:
        return f"Hyperboloid({self.dim}, scale={self.scale})"


def _lifted(space: Tensor) -> Tensor:
    """The point of given spatial coordinates."""
    padded = torch.nn.functional.pad(space, (1, 0), value=1.0)
    return torch.cat([vector_norm(padded, dim=-1, keepdim=True), space], dim=-1)


def _along(x: Tensor, space: Tensor) -> Tensor:
    """The tangent vector at `x` of given spatial coordinates."""
    return torch.cat([_dot(x[..., 1:], space) / x[..., :1], space], dim=-1)


def _squared_sinh_half_distance(x: Tensor, y: Tensor) -> Tensor:
    """`|x - y|^2 / 4` in Lorentz's norm, without the cancellation of time against space.

    Of the spatial parts a and b, `|x - y|^2 = 4 (|a - b|^2 + |a ^ b|^2) / (2 (1 + x_0 y_0 + a.b))`
    has terms of one sign unless the points are on opposite sides of the origin and far from it,
    where `|x - y|^2 = 2 (x_0 y_0 - a.b - 1)` has them.
    """
    (x_time, a), (y_time, b) = ((z[..., :1], z[..., 1:]) for z in (x, y))
    side, times = _dot(a, b), x_time * y_time
    together = 2 * (1 + times + torch.maximum(side, -times / 2))
    opposite = (times - side - 1) / 2
    return torch.where(side < -times / 2, opposite, _square_with_wedge(a, b - a) / together)


def _square_with_wedge(a: Tensor, v: Tensor) -> Tensor:
    """`|v|^2 + |a ^ v|^2`; over x_0^2, that of a tangent vector at x = (x_0, a) in Lorentz's norm.

    The wedge is `|a|^2 |v|^2 - (a.v)^2`: what cancels in it is small against `|v|^2` where a is
    short. Where it is long, it is the part of v across a.
    """
    square, along = _dot(a, a), _dot(a, v)
    near = square * _dot(v, v) - along.square()
    long = square.clamp(min=1)
    across = v - a * (along / long)
    far = long * _dot(across, across)
    return _dot(v, v) + torch.where(square < 1, near, far)


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum(-1, keepdim=True)


def _lorentz(x: Tensor, y: Tensor) -> Tensor:
    return _dot(x[..., 1:], y[..., 1:]) - x[..., :1] * y[..., :1]


def _positive(x: Tensor) -> Tensor:
    # Keeps quotients, and gradients of those a `where` discards, finite at zero.
    return x.clamp(min=torch.finfo(x.dtype).tiny)
