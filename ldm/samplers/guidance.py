"""Classifier-free guidance on all channels, within an interval of noise levels.

Sources: Ho and Salimans 2022; Kynkäänniemi et al. 2024 (the interval).
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ldm.processes import Prediction, Process, combined
from ldm.samplers.sampler import Denoise
from ldm.tensors import like

__all__ = ["Guidance"]


class Guidance:
    """Extrapolates from the unconditional to the conditional prediction.

    Args:
        scale: 1 is the conditional model, 0 the unconditional one, above 1 exaggerates.
        interval: noise levels, sigma/alpha of Gaussian processes, between which guidance acts;
            elsewhere the model is the conditional one.

    Raises:
        ValueError: the interval is empty.
    """

    def __init__(self, scale: float = 1.0, interval: Sequence[float] = (0.0, math.inf)) -> None:
        self.scale, (self.low, self.high) = scale, interval
        if not 0 <= self.low < self.high:
            raise ValueError(f"guidance.interval must be 0 <= low < high, got {list(interval)}")

    @property
    def active(self) -> bool:
        """True if guidance changes the prediction."""
        return self.scale != 1

    def __call__(
        self,
        denoise: Denoise,
        null: Callable[[dict[str, Tensor]], dict[str, Tensor]],
        process: Process,
    ) -> Denoise:
        """A guided `denoise`; both predictions come from one pass over a doubled batch."""

        def guided(noisy: Tensor, t: Tensor, condition: dict[str, Tensor]) -> Prediction:
            level = process.noise_level(t)
            inside = (level > self.low) & (level <= self.high)
            if not inside.any():
                return denoise(noisy, t, condition)
            empty = {**condition, **null(condition)}
            both = {key: torch.cat([condition[key], empty[key]]) for key in condition}
            found = denoise(torch.cat([noisy, noisy]), torch.cat([t, t]), both)
            scale = like(torch.where(inside, self.scale, 1.0), noisy)
            halves = zip(*(field.chunk(2) for field in found), strict=True)
            told, untold = (type(found)(*half) for half in halves)
            return combined(told, untold, lambda c, u: torch.lerp(u, c, scale))

        return guided
