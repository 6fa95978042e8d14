"""Monotone map from the length of a normal vector to the angle of Brownian motion on S^d.

The length r of a standard normal vector in R^d has the chi distribution. The angle of Brownian
motion of variance s has density proportional to the heat kernel times the volume of the sphere at
that angle. The map T_s that equates the two cumulative distribution functions turns one into the
other, so sampling needs no rejection.

With `q = exp(-d s / 4)`, the square root of the mean cosine, `T / (r sqrt(1 - q))` is a smooth
function of q on all of [0, 1]. It is stored as a polynomial in q and r, interpolated at Chebyshev
points.
"""

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from numpy.polynomial.legendre import leggauss
from torch import Tensor

from ldm.spaces.heat_kernels.radial import radial_kernel

__all__ = ["stretch"]

DEGREE = 40  # number of coefficients in each of q and r
MARGIN = 5.0  # range of lengths in standard deviations; each tail beyond has probability 3e-7
CELLS, POINTS, NEWTON = 250, 4, 10  # quadrature cells, points per cell, Newton steps of inversion


def stretch(r: Float[Tensor, " n"], s: Float[Tensor, " n"], dim: int) -> Float[Tensor, " n"]:
    """Compute `T_s(r) / r`, the factor from a normal tangent vector to a Brownian displacement.

    The error of the resulting angle's cumulative distribution function is below 2e-7.

    Args:
        r: lengths of standard normal vectors in dim dimensions.
        s: variance, positive; infinity is allowed.
        dim: d of the unit sphere S^d, 2 or more. The first call for each takes a fraction of a
            second.

    Returns:
        Float64; close to `sqrt(s)` for small s, and at most `pi / r`.
    """
    coefficients = _coefficients(dim).to(r.device)
    lowest, highest = _lengths(dim)
    r, log_q = r.double(), -0.25 * dim * s.double()
    along_q = _chebyshev(2 * log_q.exp() - 1)
    along_r = _chebyshev((2 * r - lowest - highest) / (highest - lowest))
    ratio = (along_q @ coefficients * along_r).sum(1) * (-torch.expm1(log_q)).sqrt()
    return torch.minimum(ratio, math.pi / r)


def _lengths(dim: int) -> tuple[float, float]:
    """Compute the range of lengths by Wilson and Hilferty's cube-root approximation (1931)."""
    mean, std = 1 - 2 / (9 * dim), math.sqrt(2 / (9 * dim))
    ends = [max(0.0, mean + z * std) for z in (-MARGIN, MARGIN)]
    return math.sqrt(dim * ends[0] ** 3), math.sqrt(dim * ends[1] ** 3)


def _chebyshev(x: Float[Tensor, " n"]) -> Float[Tensor, "n degree"]:
    """Evaluate Chebyshev polynomials at x, clamped to [-1, 1]."""
    degrees = torch.arange(DEGREE, device=x.device, dtype=x.dtype)
    return (x.clamp(-1, 1).acos().unsqueeze(1) * degrees).cos()


@lru_cache
def _coefficients(dim: int) -> Float[Tensor, "degree degree"]:
    # Cached for all callers, so independent of the first caller's grad mode and default device.
    with torch.inference_mode(False), torch.no_grad(), torch.device("cpu"):
        x = ((torch.arange(DEGREE).double() + 0.5) * (math.pi / DEGREE)).cos()
        lowest, highest = _lengths(dim)
        q, r = (1 + x) / 2, (lowest + highest + (highest - lowest) * x) / 2
        angles = _angles(r, -4 * q.log() / dim, dim)
        inverse = torch.linalg.inv(_chebyshev(x))
        return inverse @ (angles / r / (1 - q).sqrt().unsqueeze(1)) @ inverse.T


def _angles(r: Float[Tensor, " m"], s: Float[Tensor, " k"], dim: int) -> Float[Tensor, "k m"]:
    """Compute `T_s(r)` for each s and r: find the cell of the angle, then solve within it."""
    # Brownian motion moves less far on spheres than in flat space: T is below sqrt(s) r. The range
    # is a little longer, to include the tail beyond the longest length.
    width = (s.sqrt() * (r.max() + 2)).clamp(max=math.pi).unsqueeze(1) / CELLS
    edges = torch.arange(CELLS, dtype=s.dtype) * width
    masses = _mass(edges, width.expand_as(edges), s, dim)
    # Sum each tail from its own end, which keeps its relative precision.
    before = masses.cumsum(1) - masses
    after = masses.flip(1).cumsum(1).flip(1)
    lower = torch.special.gammainc(torch.tensor(dim / 2).double(), r.square() / 2)
    upper = torch.special.gammaincc(torch.tensor(dim / 2).double(), r.square() / 2)
    low = lower < 0.5
    from_below = (before.unsqueeze(1) <= lower.unsqueeze(1)).sum(2) - 1
    from_above = (after.unsqueeze(1) >= upper.unsqueeze(1)).sum(2) - 1
    cell = torch.where(low, from_below, from_above).clamp(min=0)
    left = edges.gather(1, cell)
    angle = left + low * width
    # Newton's method for log probability as a function of log angle: tails are nearly power laws.
    target, sign = torch.where(low, lower, upper), torch.where(low, 1.0, -1.0)
    outside = torch.where(low, before.gather(1, cell), after.gather(1, cell))
    for _ in range(NEWTON):
        tail = outside + sign * _mass(left, angle - left, s, dim)
        slope = angle * _density(angle, s, dim) / tail
        angle = angle * (sign * (target / tail).log() / slope).exp()
        angle = torch.minimum(torch.maximum(angle, left + 1e-6 * width), left + 0.999999 * width)
    return angle


def _mass(left: Tensor, length: Tensor, s: Tensor, dim: int) -> Tensor:
    """Integrate the density over [left, left + length] by Gauss-Legendre quadrature."""
    nodes, weights = leggauss(POINTS)
    return sum(
        (w / 2) * length * _density(left + length * ((1 + x) / 2), s, dim)
        for x, w in zip(nodes, weights, strict=True)
    )


def _density(angle: Float[Tensor, "k m"], s: Float[Tensor, " k"], dim: int) -> Tensor:
    """Compute the density of the angle for each s."""
    log_kernel, _ = radial_kernel(
        angle.flatten(), math.pi - angle.flatten(), s.repeat_interleave(angle.shape[1]), dim
    )
    log_sphere = math.log(2) + dim / 2 * math.log(math.pi) - math.lgamma(dim / 2)
    log_sine = angle.sin().abs().log()
    return (log_kernel.view_as(angle) + log_sphere + (dim - 1) * log_sine).exp()
