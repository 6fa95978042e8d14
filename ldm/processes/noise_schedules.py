"""Noise schedules of discrete Gaussian diffusion: the variance added at each step.

Sources: Ho et al. 2020 (linear), Rombach et al. 2022 (scaled linear: linear in the square root),
Nichol and Dhariwal 2021, equation 17 (cosine), Hoogeboom et al. 2022 (polynomial_2).
"""

import math

import torch
from jaxtyping import Float64
from torch import Tensor

__all__ = ["SCHEDULES", "cosine", "linear", "polynomial_2", "scaled_linear"]


def linear(steps: int = 1000, start: float = 1e-4, end: float = 0.02) -> Float64[Tensor, " steps"]:
    """Betas linear in the step (DDPM, DiT)."""
    return torch.linspace(start, end, steps, dtype=torch.float64)


def scaled_linear(
    steps: int = 1000, start: float = 0.0015, end: float = 0.0195
) -> Float64[Tensor, " steps"]:
    """Betas whose square root is linear in the step; LDM calls this "linear"."""
    return torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64).square()


def cosine(
    steps: int = 1000, offset: float = 0.008, largest: float = 0.999
) -> Float64[Tensor, " steps"]:
    """Betas whose cumulative signal falls as a squared cosine, clipped at `largest`."""
    t = torch.arange(steps + 1, dtype=torch.float64) / steps
    signal = torch.cos((t + offset) / (1 + offset) * math.pi / 2).square()
    return (1 - signal[1:] / signal[:-1]).clamp(max=largest)


def polynomial_2(
    steps: int = 1001, precision: float = 1e-5, smallest: float = 0.001
) -> Float64[Tensor, " steps"]:
    """Betas of EDM, whose cumulative signal falls as `(1 - (t / T)^2)^2`.

    There are T + 1 steps, 0 to T, the first of which already has noise: the signal is squeezed to
    `[precision, 1 - precision]`.

    Args:
        steps: T + 1.
        precision: the noise at time 0 and the signal at time T.
        smallest: lower bound of the share of the signal that a step keeps, before it is squeezed.
    """
    t = torch.arange(steps, dtype=torch.float64) / (steps - 1)
    signal = _with_one((1 - t.square()).square())
    signal = (signal[1:] / signal[:-1]).clamp(smallest, 1).cumprod(0)
    signal = _with_one((1 - 2 * precision) * signal + precision)
    return 1 - signal[1:] / signal[:-1]


def _with_one(signal: Float64[Tensor, " steps"]) -> Float64[Tensor, " more"]:
    """The cumulative signal, and before it that of data."""
    return torch.cat([signal.new_ones(1), signal])


SCHEDULES = {
    "linear": linear,
    "scaled_linear": scaled_linear,
    "cosine": cosine,
    "polynomial_2": polynomial_2,
}
