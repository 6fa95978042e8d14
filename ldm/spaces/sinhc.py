"""`sinh(r) / r`, the growth of volumes in hyperbolic directions, from r = 0 to beyond overflow."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["log_sinhc", "log_sinhc_slope", "sinhc"]

# Below it, closed forms lose digits (their derivatives all of them) and three terms have them all.
_SMALL = 0.03


def sinhc(r: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """`sinh(r) / r` for r >= 0, one at zero."""
    positive = r.clamp(min=torch.finfo(r.dtype).tiny)
    return torch.sinh(positive) / positive


def log_sinhc(r: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """`log(sinh(r) / r)` for r >= 0; it grows like r, so nothing overflows."""
    large, square = r.clamp(min=_SMALL), r.clamp(max=_SMALL).square()
    closed = large + (-torch.expm1(-2 * large)).log() - large.log() - math.log(2)
    series = square * (1 / 6 - square * (1 / 180 - square / 2835))
    return torch.where(r < _SMALL, series, closed)


def log_sinhc_slope(r: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """`coth(r) - 1 / r`, the derivative of `log_sinhc`, for r >= 0."""
    large, small = r.clamp(min=_SMALL), r.clamp(max=_SMALL)
    square = small.square()
    series = small * (1 / 3 - square * (1 / 45 - square * 2 / 945))
    return torch.where(r < _SMALL, series, 1 / torch.tanh(large) - 1 / large)
