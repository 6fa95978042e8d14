"""Brownian motion on SU(2) and SU(3).

The density is a function of the eigen-angles of `origin^H x`, given by two exact series. One sums
normal densities over all angles of the same matrix (Menotti and Onofri 1981, "The action of SU(N)
lattice gauge theory in terms of the heat kernel on the group manifold") and converges fast for
small s; the other sums characters and converges fast for large s. At s = 2, where we switch, both
need few terms. Both are in the review of Drouffe and Zuber, Physics Reports 102 (1983).
"""

import itertools
import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import jvp

from ldm.randomness import Generators, normal, uniform
from ldm.spaces.heat_kernel import HeatKernel
from ldm.spaces.matrix_group import MatrixGroup
from ldm.spaces.numerics.eigenangles import Once, eigenangles, once

__all__ = ["UnitaryHeatKernel"]

JOIN = 2.0  # below this variance sum over shifts of angles, above it over characters
ROWS = 10  # representations have p + q < ROWS; the first neglected term is below 1e-17 of the sum
HAAR = 1.5  # variance at which uniform and normal proposals are equally good (22 % kept on SU(3))
UNIFORM = 1e4  # above this variance the weights of all nontrivial characters underflow
NODES = 8  # of the mean over a circle in `_shifts`
RADIUS = 0.2  # of that circle, divided by s
NEAR = 1e-5  # distance of eigenvalues below which divided differences are replaced by their limits


class UnitaryHeatKernel(HeatKernel):
    """Heat kernel of SU(2) and SU(3) in the Frobenius metric, exact for s from 1e-12 to infinity.

    Computes in double precision and returns the precision of the points. Densities and scores can
    be differentiated once; second derivatives raise an error.
    """

    def __init__(self, group: MatrixGroup) -> None:
        self.group = group

    def log_density(
        self, x: Float[Tensor, "n ..."], origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        angles, _ = eigenangles(self.group.difference(origin, x))
        return self._log_kernel(angles, s.double()).to(x.dtype)

    def score(
        self, x: Float[Tensor, "n ..."], origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        difference, s = self.group.difference(origin, x), s.double()
        angles, vectors = eigenangles(difference)
        slope = self._slopes(angles, s)
        a = (vectors * (1j * slope).unsqueeze(-2)) @ vectors.mH
        # Eigenvectors are constants to autograd: add zero with their share of the derivative.
        turn = Once(lambda d, *_: torch.zeros_like(d), self._turn, self._turn_adjoint)
        a = a + once(turn, difference, vectors, angles.detach(), s)
        return self.group.tangent(x, self.group.coordinates(self.group.matrix(x) @ a, x.dtype))

    def sample(
        self, origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"], generator: Generators = None
    ) -> Float[Tensor, "n ..."]:
        """Draw by exact rejection; each sample's numbers come from its own generator only.

        Raises:
            ValueError: some `s` is not positive.
        """
        if not (s > 0).all():
            raise ValueError(f"variances must be positive, got {s.min().item()}")
        s, moves = s.double(), self.group.matrix(origin).to(torch.complex128, copy=True)
        for propose, chosen in ((self._steps, s < HAAR), (self._uniform, s >= HAAR)):
            waiting = chosen.nonzero().squeeze(1)
            while len(waiting):
                own = generator
                if not (own is None or isinstance(own, torch.Generator)):
                    own = [generator[row] for row in waiting.tolist()]
                moves[waiting], log_chance = propose(s[waiting], own)
                coin = uniform((len(waiting), 1), own, s.device, s.dtype).squeeze(1)
                waiting = waiting[coin.log() >= log_chance]
        start = self.group.matrix(origin).to(moves)
        return self.group.coordinates(start @ moves, origin.dtype)

    def _steps(self, s: Tensor, generator: Generators) -> tuple[Tensor, Tensor]:
        """Propose normal steps within the cut locus, with their log acceptance probabilities.

        With respect to steps in the algebra, the kernel's density is `exp(|rho|^2 s / 2)` times the
        normal density, times the sum in `_shifts`, times the Jacobian of exp. The product of the
        last two is at most one: by the reflection principle, the sum times the square root of the
        Jacobian is the probability of not having crossed the cut locus.
        """
        c = normal((len(s), self.group.dim), generator, s.device, s.dtype)
        a = self.group.algebra(s.sqrt().unsqueeze(1) * c)
        angles = torch.linalg.eigvalsh(-1j * a).flip(-1)
        half = _differences(angles) / 2
        log_jacobian = (2 * torch.sinc(half / math.pi).abs().log()).sum(1)
        log_chance = _shifts(angles, s)[0] + log_jacobian
        return torch.linalg.matrix_exp(a), log_chance.where(half.amax(1) < math.pi, -math.inf)

    def _uniform(self, s: Tensor, generator: Generators) -> tuple[Tensor, Tensor]:
        """Propose uniform points, with their log acceptance probabilities K(x) / K(origin).

        The kernel is largest at its origin because it is positive definite.
        """
        u = self.group.matrix(self.group.random(len(s), generator, s.device, s.dtype))
        angles, _ = eigenangles(u - torch.eye(self.group.size).to(u))
        peak, _ = _characters(torch.zeros_like(angles), s)
        return u, (_characters(angles, s)[0] / peak).clamp(min=0).log()

    def _log_kernel(self, angles: Tensor, s: Tensor) -> Tensor:
        n, short = self.group.size, s.clamp(max=JOIN)
        near = _shifts(angles, short)[0] - angles.square().sum(1) / (2 * short)
        near = near + n * (n * n - 1) / 24 * short
        near = near - 0.5 * self.group.dim * (2 * math.pi * short).log()
        far = _characters(angles, s.clamp(min=JOIN))[0].log() - self.group.log_volume
        return torch.where(s < JOIN, near, far)

    def _slopes(self, angles: Tensor, s: Tensor) -> Tensor:
        """Compute derivatives of `_log_kernel` in each angle, up to a constant shared by all."""
        near = _shifts(angles, s.clamp(max=JOIN))[1]()
        far = _characters(angles, s.clamp(min=JOIN))[1]
        return torch.where(s.unsqueeze(1) < JOIN, near, far)

    def _turn(self, direction: Tensor, _: Tensor, vectors: Tensor, *at: Tensor) -> Tensor:
        return vectors @ (self._chords(*at) * (vectors.mH @ direction @ vectors)) @ vectors.mH

    def _turn_adjoint(self, gradient: Tensor, _: Tensor, vectors: Tensor, *at: Tensor) -> Tensor:
        return vectors @ (self._chords(*at).conj() * (vectors.mH @ gradient @ vectors)) @ vectors.mH

    def _chords(self, angles: Tensor, s: Tensor) -> Tensor:
        """Compute `i (f_j - f_k) / (exp(i a_j) - exp(i a_k))` for slopes f, with zero diagonal.

        Where two eigenvalues coincide, also if the angles differ by 2 pi, their slopes are equal
        and the quotient is the limit, computed from derivatives of the slopes.
        """
        size = angles.shape[-1]
        slope, jacobian = self._slopes(angles, s), []
        for axis in torch.eye(size).to(angles):
            along = jvp(lambda a: self._slopes(a, s), (angles,), (axis.expand_as(angles),))[1]
            jacobian.append(along)
        jacobian = torch.stack(jacobian, -1)
        own = jacobian.diagonal(dim1=-2, dim2=-1)
        # Average of the derivative over a pair of angles and the exchanged pair (trapezoidal rule).
        limit = (own.unsqueeze(-1) + own.unsqueeze(-2) - jacobian - jacobian.mT) / 2
        gap = angles.unsqueeze(-1) - angles.unsqueeze(-2)
        sine = 2 * (gap / 2).sin()
        near = sine.abs() < NEAR
        turned = torch.where((gap / (2 * math.pi)).round() % 2 == 0, 1.0, -1.0)
        quotient = (slope.unsqueeze(-1) - slope.unsqueeze(-2)) / torch.where(near, 1.0, sine)
        mean = (angles.unsqueeze(-1) + angles.unsqueeze(-2)) / 2
        table = torch.where(near, turned * limit, quotient) * torch.polar(
            torch.ones_like(mean), -mean
        )
        return table * (1 - torch.eye(size).to(angles))


def _differences(angles: Tensor) -> Tensor:
    i, j = torch.triu_indices(angles.shape[-1], angles.shape[-1], 1, device=angles.device)
    return angles[..., i] - angles[..., j]


def _shifts(
    angles: Float[Tensor, "n size"], s: Float[Tensor, " n"]
) -> tuple[Float[Tensor, " n"], Callable[[], Float[Tensor, "n size"]]]:
    """Compute the log of the sum over y of `prod f(y_i - y_j) exp(-(|y|^2 - |angles|^2) / 2s)`.

    y runs over `angles` plus multiples of 2 pi with sum zero; f(r) = (r/2) / sin(r/2), and the
    product is over pairs i < j. Also returns a function that computes the derivatives, in the
    angles, of the log of this sum times `exp(-|angles|^2 / 2s)`.

    Single terms are infinite where angles coincide modulo 2 pi, but the sum is an entire function.
    So it equals the mean of its values on a circle around the angles, in a complex direction along
    which no angles coincide.
    """
    size, variance = angles.shape[-1], s[:, None, None]
    turns = 2 * math.pi * _turns(size).to(angles)
    direction = 1 - 2 * torch.arange(size).to(angles) / (size - 1)
    # Half of the circle suffices, as values on the other half are conjugate. Nodes are offset by
    # half a step to avoid the real line.
    arc = math.pi / NODES * (torch.arange(NODES).to(angles) + 0.5)
    c = RADIUS * variance * torch.polar(torch.ones_like(arc), arc)[:, None]
    y = angles.unsqueeze(1) + turns  # (n, terms, size); nodes are y + c direction, c (n, nodes, 1)
    fall = (turns * (turns + 2 * angles.unsqueeze(1))).sum(-1).unsqueeze(1)
    exponent = fall + c * (2 * (y * direction).sum(-1).unsqueeze(1) + c * direction.square().sum())
    apart = [
        r.unsqueeze(1) + c * move
        for r, move in zip(_differences(y).unbind(-1), _differences(direction), strict=True)
    ]
    half = [r[..., :1] / 2 for r in apart]  # turns leave the product of sines, and tan, unchanged
    weight = (-exponent / (2 * variance)).exp() * math.prod(apart)
    weight = weight / math.prod(2 * r.sin() for r in half)
    total = weight.real.sum(2).mean(1)

    def slopes() -> Float[Tensor, "n size"]:
        sums = [-(y[..., i].unsqueeze(1) + c * direction[i]) / variance for i in range(size)]
        pairs = itertools.combinations(range(size), 2)
        for (i, j), r, h in zip(pairs, apart, half, strict=True):
            slope = 1 / r - 0.5 / h.tan()
            sums[i], sums[j] = sums[i] + slope, sums[j] - slope
        means = [(weight * slope).real.sum(2).mean(1) / total for slope in sums]
        return torch.stack(means, -1)

    return total.log(), slopes


def _turns(size: int) -> Tensor:
    """List integer vectors with sum zero and squared norm at most 8, which suffice for s <= 2."""
    every = itertools.product(range(-2, 3), repeat=size)
    fit = [m for m in every if sum(m) == 0 and sum(k * k for k in m) <= 8]
    return torch.tensor(sorted(fit, key=lambda m: sum(k * k for k in m)))  # the zero vector first


def _characters(angles: Float[Tensor, "n size"], s: Float[Tensor, " n"]) -> tuple[Tensor, Tensor]:
    """Sum over characters: the density times the volume, and the derivatives of its log."""
    x = torch.polar(torch.ones_like(angles), angles)
    trace = x.sum(-1)
    signed = [trace, -trace.conj(), torch.ones_like(trace)]  # elementary symmetric functions
    if angles.shape[-1] == 2:
        signed = [trace, -torch.ones_like(trace)]
    # Characters of symmetric powers, and their derivatives with respect to log x.
    h, g = [torch.ones_like(trace)], [torch.zeros_like(x)]
    for k in range(1, ROWS):
        h.append(sum(e * h[k - 1 - i] for i, e in enumerate(signed[:k])))
        g.append(x * (g[-1] + h[-2].unsqueeze(-1)))
    s = s.clamp(max=UNIFORM)
    total, slope = torch.zeros_like(s), torch.zeros_like(angles)
    for p, q, dimension, casimir in _representations(angles.shape[-1]):
        weight = dimension * (-casimir * s / 2).exp()
        value = h[p] * h[q].conj()
        change = g[p] * h[q].conj().unsqueeze(-1) - h[p].unsqueeze(-1) * g[q].conj()
        if p and q:
            value = value - h[p - 1] * h[q - 1].conj()
            change = change - g[p - 1] * h[q - 1].conj().unsqueeze(-1)
            change = change + h[p - 1].unsqueeze(-1) * g[q - 1].conj()
        total = total + weight * value.real
        slope = slope - weight.unsqueeze(-1) * change.imag
    return total, slope / total.unsqueeze(-1)


def _representations(size: int) -> list[tuple[int, int, int, float]]:
    """List highest weights (p, q), dimensions and eigenvalues of minus the Laplacian."""
    if size == 2:
        return [(p, 0, p + 1, p * (p + 2) / 2) for p in range(ROWS)]
    return [
        (p, q, (p + 1) * (q + 1) * (p + q + 2) // 2, 2 * ((p * p + q * q + p * q) / 3 + p + q))
        for p in range(ROWS)
        for q in range(ROWS - p)
    ]
