"""Walks down some of the times of a Gaussian diffusion, to data."""

import math
from abc import abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes import GaussianDiffusion, Prediction, Process
from ldm.randomness import Generators
from ldm.samplers.sampler import Denoise, Sampler, Span, to_data
from ldm.samplers.spacing import SPACINGS, spaced

__all__ = ["Path", "Respaced", "check_discrete"]

Path = list[tuple[int, int | None]]
"""Times from noise to data, each with the time that its step ends at; None for clean data."""


class Respaced(Sampler):
    """Takes some of the times of a `GaussianDiffusion`, and one network call at each.

    A span that begins in the middle starts at its own time and takes those below it.

    Args:
        steps: number of times.
        spacing: of the times: `trailing`, `floored`, `leading` or `linspace`, see
            `ldm.samplers.spacing`.
        offset: added to all times of `leading`; 1 in latent diffusion.
        clip: bound of the size of predicted clean latents, such as 1 where a tokenizer bounds
            them so; None for none.
        quantile: share of a sample's clean latents that set a larger bound where their sizes exceed
            `clip`; they are then scaled down to it (dynamic thresholding, Saharia et al. 2022).
            None to cut them off at `clip`.

    Raises:
        ValueError: there are no steps or no such spacing, the bound is not above 0, or the share is
            not in (0, 1] or without a bound; on a call, the process has no discrete times or fewer
            than `steps`, or the span does not end at data.
    """

    def __init__(
        self,
        steps: int,
        spacing: str = "trailing",
        offset: int = 0,
        clip: float | None = None,
        quantile: float | None = None,
    ) -> None:
        if steps < 1:
            raise ValueError(f"a sampler needs 1 step or more, got {steps}")
        if spacing not in SPACINGS:
            raise ValueError(f"no spacing {spacing!r}: choose one of {', '.join(SPACINGS)}")
        if clip is not None and not clip > 0:
            raise ValueError(f"clip must be above 0, or null for no bound, got {clip}")
        if quantile is not None and (clip is None or not 0 < quantile <= 1):
            raise ValueError(
                f"quantile is a share in (0, 1] of latents that are bounded, got {quantile} with "
                f"clip={clip}: set clip, or quantile=null"
            )
        self.steps, self.spacing, self.offset = steps, spacing, offset
        self.clip, self.quantile = clip, quantile

    def walk(
        self,
        denoise: Denoise,
        process: Process,
        x: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators,
        span: Span,
    ) -> Float[Tensor, "n ..."]:
        check_discrete(process, self.steps, span)
        if not to_data(process, span):
            return self.invert(denoise, process, x, condition, span[1])

        def predict(x: Tensor, t: int) -> Prediction:
            found = denoise(x, torch.full((len(x),), t, device=x.device), condition)
            if self.clip is None:
                return found
            return self.clipped(found, x, process.alpha_bar[t].item())

        return self.descend(predict, process, x, self.path(process, span[0]), generator)

    def descend(
        self,
        predict: Callable[[Tensor, int], Prediction],
        process: GaussianDiffusion,
        x: Float[Tensor, "n ..."],
        path: Path,
        generator: Generators,
    ) -> Float[Tensor, "n ..."]:
        """Latents at the end of a path to data, with one prediction a step."""
        space, signal = process.space, process.alpha_bar
        for t, below in path:
            mean, std = self.step(predict(x, t), signal[t].item(), self.reached(signal, below))
            if isinstance(std, Tensor) or std > 0:
                mean = mean + std * space.random(len(x), generator, x.device, x.dtype)
            x = space.project(mean)
        return x

    @abstractmethod
    def step(
        self, found: Prediction, signal: float, after: float
    ) -> tuple[Float[Tensor, "n ..."], Float[Tensor, "n ..."] | float]:
        """Mean and standard deviation of latents after a step.

        Args:
            found: the prediction at the time of the step.
            signal: alpha^2 at that time.
            after: alpha^2 where the step ends.
        """

    def clipped(self, found: Prediction, x: Float[Tensor, "n ..."], signal: float) -> Prediction:
        """The prediction with bounded clean latents, and the noise that then leads to `x`."""
        x0 = self.bounded(found.x0)
        return found._replace(x0=x0, eps=(x - math.sqrt(signal) * x0) / math.sqrt(1 - signal))

    def bounded(self, x0: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """Clean latents no larger than `clip`."""
        if self.quantile is None:
            return x0.clamp(-self.clip, self.clip)
        sizes = x0.float().abs().flatten(1).quantile(self.quantile, 1).clamp(min=self.clip)
        bound = sizes.to(x0.dtype).view(-1, *[1] * (x0.ndim - 1))
        return x0.clamp(-bound, bound) * (self.clip / bound)

    def invert(
        self,
        denoise: Denoise,
        process: GaussianDiffusion,
        x: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        end: float,
    ) -> Float[Tensor, "n ..."]:
        """Latents at time `end` that the sampler takes to `x`.

        Raises:
            ValueError: steps are random, or clip predictions.
        """
        raise ValueError(
            f"{type(self).__name__} draws noise or clips predictions, and cannot be inverted: "
            f"invert and sample with sampler=ddim, eta=0 and no clip"
        )

    def reached(self, signal: Float[Tensor, " times"], below: int | None) -> float:
        """alpha^2 where a step ends, 1 at clean data."""
        return 1.0 if below is None else signal[below].item()

    def path(self, process: GaussianDiffusion, start: float) -> Path:
        """Steps from the time `start` to data."""
        times = spaced(self.spacing, process.steps, self.steps, self.offset).tolist()
        if start != process.span[0]:  # there, the base distribution stands for the first time's
            times = [int(start), *(t for t in times if t < start)]
        return list(zip(times, [*times[1:], None], strict=True))


def check_discrete(process: Process, steps: int, span: Span) -> None:
    """Refuse a process or a span that no sampler of discrete times can walk.

    Raises:
        ValueError: the process has no discrete times, or fewer than `steps`; or neither end of the
            span is data.
    """
    if not isinstance(process, GaussianDiffusion):
        raise ValueError(
            f"this sampler walks the steps of a GaussianDiffusion, got a "
            f"{type(process).__name__}: sample a flow with EulerODE or HeunODE"
        )
    if not 1 <= steps <= process.steps:
        raise ValueError(
            f"sampler.steps must be between 1 and the prior's {process.steps}, got {steps}"
        )
    if process.span[1] not in span:
        raise ValueError(
            f"a sampler of discrete times walks to data, or by inversion from data, at time "
            f"{process.span[1]}: got the span {span[0]} to {span[1]}"
        )
