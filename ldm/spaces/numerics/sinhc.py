"""Even functions of a length r, as smooth functions of r^2.

The length itself is not differentiable at zero, so autograd through it gives wrong derivatives
there. Near zero a power series replaces the closed forms, which suffer from cancellation, and their
derivatives even more.
"""

import math
from collections.abc import Callable
from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "asinh_of_root_squared",
    "cosh_of_root",
    "log_sinhc_of_root",
    "sinhc_of_root",
    "slope_of_log_sinhc_over_root",
]


def cosh_of_root(square: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Compute `cosh(r)` for `r^2 = square`."""
    return _even(square, _COSH, 1.0, torch.cosh)


def sinhc_of_root(square: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Compute `sinh(r) / r` for `r^2 = square`, the growth of lengths in hyperbolic directions."""
    return _even(square, _SINHC, 1.0, lambda r: torch.sinh(r) / r)


def log_sinhc_of_root(square: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Compute `log(sinh(r) / r)` for `r^2 = square` without overflow."""
    return _even(
        square, _LOG, 1.0, lambda r: r + (-torch.expm1(-2 * r)).log() - r.log() - math.log(2)
    )


def slope_of_log_sinhc_over_root(square: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Compute `(coth(r) - 1 / r) / r`, the derivative of `log(sinh(r) / r)` in r divided by r."""
    return _even(square, _SLOPE, 1.0, lambda r: (1 / torch.tanh(r) - 1 / r) / r)


def asinh_of_root_squared(square: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Compute `asinh(z)^2` for `z^2 = square`."""
    return _even(square, _ASINH, 1 / 16, lambda z: torch.asinh(z).square())


def _even(square: Tensor, series: list[float], join: float, closed: Callable) -> Tensor:
    near = square < join
    small, large = torch.where(near, square, 0.0), torch.where(near, join, square)
    total = torch.full_like(square, series[-1])
    for coefficient in reversed(series[:-1]):
        total = total * small + coefficient
    return torch.where(near, total, closed(large.sqrt()))


TERMS = 18  # the remainder and its first two derivatives are below rounding

_COSH = [1 / math.factorial(2 * k) for k in range(TERMS)]
_SINHC = [1 / math.factorial(2 * k + 1) for k in range(TERMS)]
_ASINH = [0.0] + [-((-4) ** k) / (2 * k * k * math.comb(2 * k, k)) for k in range(1, TERMS)]


def _log_series() -> list[float]:
    """Compute the series of log S for the series S of sinhc, from `S (log S)' = S'`."""
    s = [Fraction(1, math.factorial(2 * k + 1)) for k in range(TERMS)]
    log = [Fraction(0)]
    for k in range(1, TERMS):
        rest = sum((j * log[j] * s[k - j] for j in range(1, k)), Fraction(0))
        log.append(s[k] - rest / k)
    return [float(c) for c in log]


_LOG = _log_series()
_SLOPE = [2 * k * c for k, c in enumerate(_LOG)][1:]
