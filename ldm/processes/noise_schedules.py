"""Noise schedules of discrete Gaussian diffusion: the variance added at each step.

Sources: Ho et al. 2020 (linear), Rombach et al. 2022 (scaled linear: linear in the square root),
Nichol and Dhariwal 2021, equation 17 (cosine).
"""

import math

import torch
from jaxtyping import Float64
from torch import Tensor

__all__ = ["SCHEDULES", "cosine", "linear", "scaled_linear"]


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


SCHEDULES = {"linear": linear, "scaled_linear": scaled_linear, "cosine": cosine}
