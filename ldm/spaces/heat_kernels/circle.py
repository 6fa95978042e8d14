"""Brownian motion on the circle: the wrapped normal distribution.

Its density has two exact series related by Poisson summation (Mardia and Jupp, "Directional
Statistics", 2000, section 3.5.7). One converges fast for small s, the other for large s; at
s = 2 pi, where we switch between them, they need equally many terms.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators, normal
from ldm.spaces.heat_kernel import HeatKernel

__all__ = ["CircleHeatKernel", "wrapped_log_density", "wrapped_score"]

JOIN = 2 * math.pi
TERMS = 3  # terms of each series, on each side: the first neglected one is below 1e-16 of the sum
UNIFORM = 80.0  # beyond this variance the distribution is uniform to 1e-17


def wrapped_log_density(
    angle: Float[Tensor, "..."], s: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """Compute the log density of a normal angle of mean 0 and variance `s`, wrapped to the circle.

    Exact to rounding for every angle and every positive s, including infinity.

    Args:
        angle: radians, any real number.
        s: variance, broadcast against the angles.

    Returns:
        Log density with respect to the angle in radians, nats.

    Example: for large variances the distribution is uniform.
        >>> wrapped_log_density(torch.tensor([0.0, 1.0, 9.0]), torch.tensor(100.0)).exp()
        tensor([0.1592, 0.1592, 0.1592])
    """
    angle = _principal(angle)
    short, weights, _ = _images(angle, s)
    shifts = -angle.square() / (2 * short) - 0.5 * (2 * math.pi * short).log()
    total, _ = _harmonics(angle, s)
    return torch.where(s < JOIN, shifts + weights.log(), total.log() - math.log(2 * math.pi))


def wrapped_score(angle: Float[Tensor, "..."], s: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Differentiate `wrapped_log_density` with respect to the angle, nats per radian."""
    angle = _principal(angle)
    short, weights, winding = _images(angle, s)
    total, slope = _harmonics(angle, s)
    return torch.where(s < JOIN, -(angle + winding / weights) / short, slope / total)


def _principal(angle: Tensor) -> Tensor:
    """Reduce an angle to [-pi, pi]; small angles keep their full relative precision."""
    return angle - 2 * math.pi * (angle / (2 * math.pi)).round()


def _images(angle: Tensor, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sum over images: clamped s, sum relative to the nearest image, sum weighted by shifts."""
    s = s.clamp(max=JOIN)  # otherwise the branch not taken could give NaN gradients
    weights, winding = torch.ones_like(angle * s), torch.zeros_like(angle * s)
    for turn in range(1, TERMS + 1):
        for shift in (2 * math.pi * turn, -2 * math.pi * turn):
            weight = (-shift * (angle + shift / 2) / s).exp()
            weights, winding = weights + weight, winding + shift * weight
    return s, weights, winding


def _harmonics(angle: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Sum the Fourier series: 2 pi times the density, and its derivative."""
    s = s.clamp(min=JOIN)
    total, slope = torch.ones_like(angle * s), torch.zeros_like(angle * s)
    for n in range(1, TERMS + 1):
        factor = 2 * (-0.5 * n * n * s).exp()
        total = total + factor * (n * angle).cos()
        slope = slope - n * factor * (n * angle).sin()
    return total, slope


class CircleHeatKernel(HeatKernel):
    """Wrapped normal distribution on the unit circle in R^2, exact to rounding for all s > 0."""

    def log_density(
        self, x: Float[Tensor, "n 2"], origin: Float[Tensor, "n 2"], s: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        return wrapped_log_density(_turn(origin, x), s.to(x.dtype))

    def score(
        self, x: Float[Tensor, "n 2"], origin: Float[Tensor, "n 2"], s: Float[Tensor, " n"]
    ) -> Float[Tensor, "n 2"]:
        return wrapped_score(_turn(origin, x), s.to(x.dtype)).unsqueeze(1) * _quarter(x)

    def sample(
        self, origin: Float[Tensor, "n 2"], s: Float[Tensor, " n"], generator: Generators = None
    ) -> Float[Tensor, "n 2"]:
        noise = normal((len(origin), 1), generator, origin.device, origin.dtype)
        angle = s.to(origin.dtype).clamp(max=UNIFORM).sqrt().unsqueeze(1) * noise
        x = angle.cos() * origin + angle.sin() * _quarter(origin)
        return x / x.norm(dim=1, keepdim=True)  # repeated draws would accumulate rounding errors


def _quarter(x: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
    """Rotate by a quarter turn: points to unit tangents."""
    return torch.stack([-x[:, 1], x[:, 0]], 1)


def _turn(x: Float[Tensor, "n 2"], y: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
    """Compute the signed angle from x to y."""
    cosine = (x * y).sum(1)
    # The sine from the chord to y or to -y, whichever is shorter, has full relative precision.
    chord = torch.where(cosine.unsqueeze(1) < 0, y + x, y - x)
    return torch.atan2((_quarter(x) * chord).sum(1), cosine)
