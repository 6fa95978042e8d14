"""The monotone map from lengths of normal tangent vectors to angles of Brownian motion on S^d.

A standard normal vector of R^d has a length r of the chi law; Brownian motion of variance s is at
an angle whose law is the heat kernel times the volume of the spheres around its origin. The map
T_s that equates both distribution functions turns one into the other, with no draw rejected.

With `q = exp(-d s / 4)`, the root of the mean cosine, `T / (r sqrt(1 - q))` is smooth on all of
[0, 1], both limits included. It is kept as a polynomial of q and r, made at Chebyshev points.
"""

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from numpy.polynomial.legendre import leggauss
from torch import Tensor

from ldm.spaces.heat_kernels.radial import radial_kernel

__all__ = ["stretch"]

DEGREE = 40  # coefficients for each of q and r
MARGIN = 5.0  # standard deviations of lengths told apart; 3e-7 of the chi law lies beyond either
CELLS, POINTS, NEWTON = 250, 4, 10  # of the quadrature in the angle, and of its inversion


def stretch(r: Float[Tensor, " n"], s: Float[Tensor, " n"], dim: int) -> Float[Tensor, " n"]:
    """`T_s(r) / r`: what makes a normal tangent vector of length r a Brownian displacement.

    The distribution function of the angle it leads to is off by less than 2e-7.

    Args:
        r: lengths of standard normal vectors in dim dimensions.
        s: variance, positive; infinity is allowed.
        dim: d of the unit sphere S^d, 2 or more. The first call for each takes a fraction of a
            second.

    Returns:
        Float64; close to `sqrt(s)` while that is small, and at most `pi / r`.
    """
    coefficients = _coefficients(dim).to(r.device)
    lowest, highest = _lengths(dim)
    r, log_q = r.double(), -0.25 * dim * s.double()
    along_q = _chebyshev(2 * log_q.exp() - 1)
    along_r = _chebyshev((2 * r - lowest - highest) / (highest - lowest))
    ratio = (along_q @ coefficients * along_r).sum(1) * (-torch.expm1(log_q)).sqrt()
    return torch.minimum(ratio, math.pi / r)


def _lengths(dim: int) -> tuple[float, float]:
    """The range of lengths told apart, by the cube root of Wilson and Hilferty (1931)."""
    mean, std = 1 - 2 / (9 * dim), math.sqrt(2 / (9 * dim))
    ends = [max(0.0, mean + z * std) for z in (-MARGIN, MARGIN)]
    return math.sqrt(dim * ends[0] ** 3), math.sqrt(dim * ends[1] ** 3)


def _chebyshev(x: Float[Tensor, " n"]) -> Float[Tensor, "n degree"]:
    """Chebyshev polynomials at x, or at the end of [-1, 1] that is nearest."""
    degrees = torch.arange(DEGREE, device=x.device, dtype=x.dtype)
    return (x.clamp(-1, 1).acos().unsqueeze(1) * degrees).cos()


@lru_cache
def _coefficients(dim: int) -> Float[Tensor, "degree degree"]:
    # Kept for all callers, whatever mode and default device the first one is in.
    with torch.inference_mode(False), torch.no_grad(), torch.device("cpu"):
        x = ((torch.arange(DEGREE).double() + 0.5) * (math.pi / DEGREE)).cos()
        lowest, highest = _lengths(dim)
        q, r = (1 + x) / 2, (lowest + highest + (highest - lowest) * x) / 2
        angles = _angles(r, -4 * q.log() / dim, dim)
        inverse = torch.linalg.inv(_chebyshev(x))
        return inverse @ (angles / r / (1 - q).sqrt().unsqueeze(1)) @ inverse.T


def _angles(r: Float[Tensor, " m"], s: Float[Tensor, " k"], dim: int) -> Float[Tensor, "k m"]:
    """`T_s(r)` for each s and r: cells of the angle are summed up, then one is cut."""
    # On spheres Brownian motion gets less far than in flat space: T is below sqrt(s) r. The tail
    # beyond the longest length counts too.
    width = (s.sqrt() * (r.max() + 2)).clamp(max=math.pi).unsqueeze(1) / CELLS
    edges = torch.arange(CELLS, dtype=s.dtype) * width
    masses = _mass(edges, width.expand_as(edges), s, dim)
    # Each tail is summed from its own end, to keep its digits.
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
    # Newton's method for logs against logs: tails are close to powers.
    target, sign = torch.where(low, lower, upper), torch.where(low, 1.0, -1.0)
    outside = torch.where(low, before.gather(1, cell), after.gather(1, cell))
    for _ in range(NEWTON):
        tail = outside + sign * _mass(left, angle - left, s, dim)
        slope = angle * _density(angle, s, dim) / tail
        angle = angle * (sign * (target / tail).log() / slope).exp()
        angle = torch.minimum(torch.maximum(angle, left + 1e-6 * width), left + 0.999999 * width)
    return angle


def _mass(left: Tensor, length: Tensor, s: Tensor, dim: int) -> Tensor:
    """Probabilities of the angles from `left` on, by Gauss-Legendre quadrature."""
    nodes, weights = leggauss(POINTS)
    return sum(
        (w / 2) * length * _density(left + length * ((1 + x) / 2), s, dim)
        for x, w in zip(nodes, weights, strict=True)
    )


def _density(angle: Float[Tensor, "k m"], s: Float[Tensor, " k"], dim: int) -> Tensor:
    """Probability density of the angle, for each s."""
    log_kernel, _ = radial_kernel(
        angle.flatten(), math.pi - angle.flatten(), s.repeat_interleave(angle.shape[1]), dim
    )
    log_sphere = math.log(2) + dim / 2 * math.log(math.pi) - math.lgamma(dim / 2)
    log_sine = angle.sin().abs().log()
    return (log_kernel.view_as(angle) + log_sphere + (dim - 1) * log_sine).exp()
