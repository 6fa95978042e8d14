"""Guidance by an unconditional or a weaker model, in an interval, on all channels or the first.

Sources: Ho and Salimans 2022; Kynkäänniemi et al. 2024 (the interval); Karras et al., "Guiding a
diffusion model with a bad version of itself", 2024 (autoguidance).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ldm.processes import Prediction, Process, combined
from ldm.samplers.sampler import Denoise
from ldm.spaces import Space
from ldm.tensors import like

__all__ = ["Guidance"]


class Guidance:
    """Extrapolates from the unconditional, or a weaker model's, to the conditional prediction.

    Args:
        scale: 1 is the conditional model, 0 the other one, above 1 exaggerates.
        interval: noise levels, sigma/alpha of Gaussian processes, between which guidance acts;
            elsewhere the model is the conditional one.
        times: first and last time of the process at which guidance acts, besides; None for all.
        channels: how many of the first channels are guided; None for all. DiT, SiT and LightningDiT
            guide 3, whatever they have; a scale s on 3 of 4 is about 1 + 0.75 (s - 1) on all.
        weak: its `prior`, a `Denoiser`, stands for the unconditional model (autoguidance); see
            `ldm.run.weak.WeakPrior`.

    Raises:
        ValueError: an interval is empty, or there are no channels; on a call, the weak prior has
            another space or process.
    """

    def __init__(
        self,
        scale: float = 1.0,
        interval: Sequence[float] = (0.0, math.inf),
        times: Sequence[float] | None = None,
        channels: int | None = None,
        weak: Any = None,
    ) -> None:
        self.scale, (self.low, self.high) = scale, interval
        if not 0 <= self.low < self.high:
            raise ValueError(f"guidance.interval must be 0 <= low < high, got {list(interval)}")
        self.first, self.last = (-math.inf, math.inf) if times is None else times
        if not self.first < self.last:
            raise ValueError(f"guidance.times must be first < last, got {list(times or ())}")
        if channels is not None and channels < 1:
            raise ValueError(f"guidance.channels must be 1 or more, or null, got {channels}")
        self.channels, self.weak = channels, weak and weak.prior

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
        """A guided `denoise`; without a weak prior, one pass over a doubled batch gives both."""
        if self.weak is not None:
            self._check(self.weak.process, process)

        def guided(noisy: Tensor, t: Tensor, condition: dict[str, Tensor]) -> Prediction:
            level = process.noise_level(t)
            inside = (level > self.low) & (level <= self.high)
            inside &= (t >= self.first) & (t <= self.last)
            if not inside.any():
                return denoise(noisy, t, condition)
            if self.weak is None:
                told, other = _both(denoise, null, noisy, t, condition)
            else:
                told = denoise(noisy, t, condition)
                other = self.weak.denoise(noisy, t, condition)
            scale = like(torch.where(inside, self.scale, 1.0), noisy)
            return combined(told, other, lambda c, u: self._mixed(c, u, scale, process.space))

        return guided

    def _mixed(self, told: Tensor, other: Tensor, scale: Tensor, space: Space) -> Tensor:
        mixed = torch.lerp(other, told, scale)
        if self.channels is None:
            return mixed
        axis, channels = 1 + space.feature_axis, self.channels
        rest = told.shape[axis] - channels
        if rest <= 0:
            return mixed
        parts = [mixed.narrow(axis, 0, channels), told.narrow(axis, channels, rest)]
        return torch.cat(parts, axis)

    def _check(self, weak: Process, process: Process) -> None:
        """Refuse a weak prior of other latents or other noise."""
        same = type(weak) is type(process) and weak.span == process.span
        if not same or weak.space.shape != process.space.shape:
            raise ValueError(
                f"guidance.weak is a prior of a {type(weak).__name__} in {weak.space}, and is to "
                f"guide one of a {type(process).__name__} in {process.space}: both must be equal"
            )


def _both(
    denoise: Denoise,
    null: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    noisy: Tensor,
    t: Tensor,
    condition: dict[str, Tensor],
) -> tuple[Prediction, Prediction]:
    """The conditional and the unconditional prediction, from one pass over a doubled batch."""
    empty = {**condition, **null(condition)}
    both = {key: torch.cat([condition[key], empty[key]]) for key in condition}
    found = denoise(torch.cat([noisy, noisy]), torch.cat([t, t]), both)
    told, untold = zip(*(field.chunk(2) for field in found), strict=True)
    return type(found)(*told), type(found)(*untold)
