"""Brownian motion in the hyperbolic plane and in hyperbolic 3-space."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import vector_norm

from ldm.randomness import Generators, normal, uniform
from ldm.spaces.heat_kernel import HeatKernel
from ldm.spaces.numerics.sinhc import log_sinhc_of_root, slope_of_log_sinhc_over_root
from ldm.spaces.space import Space
from ldm.tensors import like

__all__ = ["HyperbolicHeatKernel"]


class HyperbolicHeatKernel(HeatKernel):
    """Heat kernel of curvature -1 in dimension 2 or 3, exact for all variances and distances.

    In three dimensions `K_s(r) = (2 pi s)^(-3/2) (r / sinh r) exp(-s/2 - r^2 / 2s)`; in two it is
    McKean's integral (1970, "An upper bound to the spectrum of the Laplacian"). Samples are exact.

    Args:
        space: the hyperbolic space, in any coordinates.

    Raises:
        ValueError: the dimension is neither 2 nor 3.

    Example:
        >>> from ldm.spaces import Hyperboloid
        >>> origin = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
        >>> Hyperboloid(3).heat_kernel.log_density(origin, origin, torch.tensor([1.0]))
        tensor([-3.2568])
    """

    def __init__(self, space: Space) -> None:
        if space.dim not in (2, 3):
            raise ValueError(
                f"the hyperbolic heat kernel is known here in dimensions 2 and 3, got {space}: "
                f"noise by a random walk, and learn by implicit score matching, bridges or flow "
                f"matching"
            )
        self.space = space

    def log_density(
        self, x: Float[Tensor, "n ..."], origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        square = self.space.squared_distance(x, origin)
        normal = -0.5 * (square / s + self.space.dim * (2 * math.pi * s).log())
        if self.space.dim == 3:
            return normal - log_sinhc_of_root(square) - s / 2
        return normal - s / 8 + _quadrature(square, s)[0]

    def score(
        self, x: Float[Tensor, "n ..."], origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        square = self.space.squared_distance(x, origin)
        if self.space.dim == 3:
            curved = -slope_of_log_sinhc_over_root(square)
        else:
            curved = _quadrature(square, s)[1]
        return like(1 / s - curved, x) * self.space.log(x, origin)

    def sample(
        self, origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"], generator: Generators = None
    ) -> Float[Tensor, "n ..."]:
        draw = _plane_tangents if self.space.dim == 2 else _drifted
        return self.space.exp(origin, self.space.frame(origin, draw(s, generator)))


def _quadrature(square: Tensor, s: Tensor, nodes: int = 64) -> tuple[Tensor, Tensor]:
    """Integrate the ratio of the hyperbolic plane's kernel to exp(-s/8) times the Euclidean one.

    McKean's `int_r^inf u exp(-u^2 / 2s) / sqrt(cosh u - cosh r) du` in `w = sqrt((u^2 - r^2) / s)`
    is `exp(-r^2 / 2s)` times `sqrt(s) int_0^inf exp(-w^2 / 2) / sqrt(sinhc a sinhc b) dw` with
    `a, b = (u +- r) / 2`. The integrand is even and analytic in w, so the trapezoidal rule is
    accurate to rounding for s up to several hundred.

    Returns:
        The log of the ratio, and its derivative in r divided by r.
    """
    w = torch.arange(nodes, device=s.device, dtype=s.dtype) * (9 / nodes)
    # The log ratio is even in r; below `least` it is linear in r^2, to rounding.
    least = square.clamp(min=torch.finfo(s.dtype).eps ** 0.5)
    r, s = least.sqrt().unsqueeze(-1), s.unsqueeze(-1)
    u = (least.unsqueeze(-1) + s * w.square()).sqrt()
    a, b = (u + r) / 2, s * w.square() / (2 * (u + r))
    terms = -0.5 * (w.square() + log_sinhc_of_root(a.square()) + log_sinhc_of_root(b.square()))
    weight = torch.where(w > 0, 2.0, 1.0).to(w.dtype)  # integrate over the whole line by symmetry
    value = torch.logsumexp(terms + weight.log(), -1) + math.log(9 / nodes / math.sqrt(2 * math.pi))
    rates = [z.square() * slope_of_log_sinhc_over_root(z.square()) for z in (a, b)]
    slopes = -0.5 * (rates[0] - rates[1]) / (u * r)
    slope = (torch.softmax(terms + weight.log(), -1) * slopes).sum(-1)
    return value + slope / 2 * (square - least), slope


def _drifted(s: Tensor, generator: Generators, dim: int = 3, drift: float = 1.0) -> Tensor:
    """Draw normal vectors of variance s about points at distance `drift * s` in random directions.

    In three dimensions with unit drift their lengths have density `r sinh(r) exp(-r^2 / 2s)` up to
    a constant, which is that of Brownian motion: they are its displacements as tangent vectors.
    """
    direction, noise = normal((len(s), 2, dim), generator, s.device, s.dtype).unbind(1)
    s = s.unsqueeze(-1)
    direction = direction / vector_norm(direction, dim=-1, keepdim=True)
    return drift * s * direction + s.sqrt() * noise


def _plane_tangents(s: Tensor, generator: Generators) -> Tensor:
    """Draw displacements of Brownian motion in the plane as tangent vectors, by exact rejection.

    Proposals of `_drifted` with drift 1/2 have lengths of density `r I_0(r / 2) exp(-r^2 / 2s)` up
    to a constant. Jointly with a half-normal w, the ratio of the kernel's integrand to the proposal
    density is `sinhc r / (I_0(r / 2) sqrt(sinhc a sinhc b))`. It is at most
    `sqrt(sinhc r) / I_0(r / 2)`, hence below `sqrt(pi / 2)`: four of five proposals are accepted,
    for every s.
    """
    tangents = s.new_zeros(len(s), 2)
    pending = torch.arange(len(s), device=s.device)
    while len(pending):
        own, one = s[pending], generator
        if one is not None and not isinstance(one, torch.Generator):
            one = [generator[i] for i in pending.tolist()]
        proposal = _drifted(own, one, dim=2, drift=0.5)
        w = normal((len(own), 1), one, s.device, s.dtype).squeeze(-1)
        coin = uniform((len(own), 1), one, s.device, s.dtype).squeeze(-1)
        r = vector_norm(proposal, dim=-1)
        u = (r.square() + own * w.square()).sqrt()
        a, b = (u + r) / 2, own * w.square() / (2 * (u + r))
        halves = log_sinhc_of_root(a.square()) + log_sinhc_of_root(b.square())
        log_bessel = torch.special.i0e(r / 2).log() + r / 2
        log_ratio = (
            log_sinhc_of_root(r.square()) - halves / 2 - log_bessel - 0.5 * math.log(math.pi / 2)
        )
        rejected = coin.log() >= log_ratio  # false for NaN (s zero or NaN), so the loop ends
        tangents[pending[~rejected]] = proposal[~rejected]
        pending = pending[rejected]
    return tangents
