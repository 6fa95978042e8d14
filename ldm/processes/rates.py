"""Rates at which Brownian noise is added over [0, 1], and the variance they accumulate.

Sources: De Bortoli et al. 2022 (RSGM; linear, quadratic, triangle), Lou et al. 2023 (geometric), Jo
and Hwang 2024 (linear and constant). Variances are per unit tangent direction, everywhere.
"""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Exponential", "Geometric", "Linear", "Quadratic", "Rate", "Triangle"]


class Rate(ABC):
    """A rate beta(t), and its integral from 0 to t."""

    @abstractmethod
    def rate(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """beta(t), variance per unit of time."""

    @abstractmethod
    def variance(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """s(t), the variance accumulated from time 0."""


class Linear(Rate):
    """From `start` at time 0 to `end` at time 1; constant where they are equal.

    Args:
        start: beta_0; it may be 0 if `end` is not.
        end: beta_f; it may be 0 if `start` is not.

    Raises:
        ValueError: a rate is negative, or both are 0.

    Example:
        >>> import torch
        >>> Linear(1.0, 3.0).variance(torch.tensor([1.0]))
        tensor([2.])
    """

    def __init__(self, start: float = 0.001, end: float = 5.0) -> None:
        _refuse_negative(start, end)
        self.start, self.end = start, end

    @property
    def total(self) -> float:
        """s(1)."""
        return (self.start + self.end) / 2

    def rate(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self.start * (1 - t) + self.end * t  # a difference would cancel where beta nears 0

    def variance(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return t * (self.start + self.rate(t)) / 2

    def remaining(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """`s(1) - s(t)`, what is still to be accumulated, exact to the last digits near time 1."""
        return (1 - t) * (self.rate(t) + self.end) / 2

    def reciprocal_total(self, first: float, last: float) -> float:
        """The integral of 1/beta between two times."""
        slope, rise = self.end - self.start, self._log_rise(first, last)
        return rise / slope if rise else (last - first) / self.start

    def reciprocal_quantile(
        self, u: Float[Tensor, " n"], first: float, last: float
    ) -> Float[Tensor, " n"]:
        """Times with density proportional to 1/beta between two, from uniform numbers."""
        slope, rise = self.end - self.start, self._log_rise(first, last)
        if not rise:
            return first + (last - first) * u
        # From the far end, where 1/beta is large if beta falls: else rounding moves times there.
        return last + (self.start / slope + last) * torch.expm1((u - 1) * rise)

    def _log_rise(self, first: float, last: float) -> float:
        """`log(beta(last) / beta(first))`."""
        slope = self.end - self.start
        return math.log1p(slope * (last - first) / (self.start + slope * first))


class Exponential(Rate):
    """Falls off exponentially: `scale speed exp(-speed t)`, as of GLAD's bridges.

    Args:
        scale: variance that would be accumulated in infinite time.
        speed: at which the rate falls off.

    Raises:
        ValueError: a number is not positive.

    Example:
        >>> import torch
        >>> Exponential(1.0, 3.0).variance(torch.tensor([1.0]))
        tensor([0.9502])
    """

    def __init__(self, scale: float = 1.0, speed: float = 3.0) -> None:
        if not min(scale, speed) > 0:
            raise ValueError(f"scale and speed must be above 0, got {scale} and {speed}")
        self.scale, self.speed = scale, speed

    @property
    def total(self) -> float:
        """s(1)."""
        return -self.scale * math.expm1(-self.speed)

    def rate(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self.scale * self.speed * torch.exp(-self.speed * t)

    def variance(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return -self.scale * torch.expm1(-self.speed * t)

    def remaining(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """`s(1) - s(t)`, what is still to be accumulated, exact to the last digits near time 1."""
        end = self.scale * math.exp(-self.speed)
        return end * torch.expm1(self.speed * (1 - t))


class Quadratic(Rate):
    """`start + (end - start) t^2`.

    Args:
        start: beta_0.
        end: beta_f.

    Raises:
        ValueError: a rate is negative, or both are 0.
    """

    def __init__(self, start: float = 0.01, end: float = 5.0) -> None:
        _refuse_negative(start, end)
        self.start, self.end = start, end

    def rate(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self.start + (self.end - self.start) * t.square()

    def variance(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self.start * t + (self.end - self.start) * t.pow(3) / 3


class Triangle(Rate):
    """Linear up to `top` at time 1/2, and down again.

    Args:
        start: beta at both ends.
        top: beta in the middle.

    Raises:
        ValueError: a rate is negative, or both are 0.
    """

    def __init__(self, start: float = 0.001, top: float = 2.0) -> None:
        _refuse_negative(start, top)
        self.start, self.top = start, top

    def rate(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self.start + (self.top - self.start) * (1 - (2 * t - 1).abs())

    def variance(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        before, after = t.clamp(max=0.5), t.clamp(min=0.5)
        area = before.square() + 0.25 - (1 - after).square()
        return self.start * t + (self.top - self.start) * area


class Geometric(Rate):
    """Standard deviations in geometric progression, from `smallest` to `largest` (exploding).

    `s(t) = sigma(t)^2` with `sigma(t) = smallest^(1 - t) largest^t`; that s(0) is `smallest^2`, not
    0, is a resolution below which data are blurred.

    Args:
        smallest: sigma at time 0, radians.
        largest: sigma at time 1; the distribution is then almost the base distribution.

    Raises:
        ValueError: the standard deviations do not rise, or not from above 0.
    """

    def __init__(self, smallest: float = 0.001, largest: float = 4.0) -> None:
        if not 0 < smallest < largest:
            raise ValueError(
                f"standard deviations must rise from above 0, got {smallest} to {largest}"
            )
        self.smallest, self.ratio = smallest, math.log(largest / smallest)

    def rate(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return 2 * self.ratio * self.variance(t)

    def variance(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return (2 * (math.log(self.smallest) + self.ratio * t)).exp()


def _refuse_negative(*rates: float) -> None:
    if min(rates) < 0 or max(rates) <= 0:
        raise ValueError(f"rates must be 0 or more, and not both 0, got {rates[0]} and {rates[1]}")
