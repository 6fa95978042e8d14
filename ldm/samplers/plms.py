"""PLMS: the pseudo linear multistep method for diffusions.

Source: Liu et al., "Pseudo numerical methods for diffusion models on manifolds", 2022, section 3.3;
its first step is improved Euler's, as in latent diffusion.
"""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes import Denoised, GaussianDiffusion, Prediction
from ldm.randomness import Generators
from ldm.samplers.ddim import DDIM
from ldm.samplers.respaced import Path
from ldm.samplers.sampler import Denoise

__all__ = ["PLMS"]

ADAMS_BASHFORTH = (
    [1.0],
    [3 / 2, -1 / 2],
    [23 / 12, -16 / 12, 5 / 12],
    [55 / 24, -59 / 24, 37 / 24, -9 / 24],
)
"""Weights of the last predictions, the newest first, of orders 1 to 4."""

LARGEST_RATIO = 10
"""Ratio of the alphas of a step above which it is DDIM's.

Other noise than was found moves x0 by what is extrapolated over alpha: errors grow by the ratio.
"""


class PLMS(DDIM):
    """DDIM's steps with the noise extrapolated from that of the last four (Adams-Bashforth).

    One network call a step, and one more in the first.

    Args:
        steps, spacing, offset, clean: see `DDIM`.

    Raises:
        ValueError: on a call, the span runs from data to noise.
    """

    def __init__(
        self, steps: int, spacing: str = "trailing", offset: int = 0, clean: bool = True
    ) -> None:
        super().__init__(steps, spacing, offset, clean=clean)

    def descend(
        self,
        predict: Callable[[Tensor, int], Prediction],
        process: GaussianDiffusion,
        x: Float[Tensor, "n ..."],
        path: Path,
        generator: Generators,
    ) -> Float[Tensor, "n ..."]:
        signals, past = process.alpha_bar, []
        for t, below in path:
            signal, after = signals[t].item(), self.reached(signals, below)
            found = predict(x, t)
            past = [found.eps, *past[:3]]
            eps = _extrapolated(past)
            if after > LARGEST_RATIO**2 * signal:
                eps = found.eps
            elif len(past) == 1 and below is not None:
                ahead = process.space.project(self.step(found, signal, after)[0])
                eps = (found.eps + predict(ahead, below).eps) / 2
            x = process.space.project(self.step(_with(found, eps, signal), signal, after)[0])
        return x

    def invert(
        self,
        denoise: Denoise,
        process: GaussianDiffusion,
        x: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        end: float,
    ) -> Float[Tensor, "n ..."]:
        raise ValueError("PLMS cannot be inverted: invert and sample with sampler=ddim and eta=0")


def _extrapolated(past: Sequence[Tensor]) -> Tensor:
    weights = ADAMS_BASHFORTH[len(past) - 1]
    return torch.stack([weight * eps for weight, eps in zip(weights, past, strict=True)]).sum(0)


def _with(found: Prediction, eps: Tensor, signal: float) -> Denoised:
    """The prediction of the same latents with other noise."""
    level = math.sqrt(1 / signal - 1)
    return Denoised(found.x0 + level * (found.eps - eps), eps)
