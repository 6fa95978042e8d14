"""The geodesic random walk from noise to data, with Langevin corrections where asked.

Source: De Bortoli et al., "Riemannian Score-Based Generative Modelling", 2022, algorithms 1 and 2;
the corrector is of the kind of Song et al. 2021.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes import Process
from ldm.randomness import Generators
from ldm.samplers.sampler import Denoise, Sampler, Span, refuse_reversal
from ldm.tensors import like

__all__ = ["GeodesicWalk"]


class GeodesicWalk(Sampler):
    """`x <- exp_x(drift dt + diffusion sqrt(dt) Z)` on a uniform grid of times.

    Coefficients are read at the start of each step.

    Args:
        steps: number of steps.
        corrections: Langevin steps after each step but the last, at its new time.
        snr: signal-to-noise ratio of a correction: its variance is 2 snr^2 times the noise's.

    Raises:
        ValueError: there are no steps; on a call, the span runs from data to noise.
    """

    def __init__(self, steps: int, corrections: int = 0, snr: float = 0.2) -> None:
        if steps < 1 or corrections < 0:
            raise ValueError(
                f"a walk needs 1 step or more and 0 corrections or more, got {steps} and "
                f"{corrections}"
            )
        self.steps, self.corrections, self.snr = steps, corrections, snr

    def walk(
        self,
        denoise: Denoise,
        process: Process,
        x: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators,
        span: Span,
    ) -> Float[Tensor, "n ..."]:
        refuse_reversal(process, span)
        space = process.space
        grid = torch.linspace(*span, self.steps + 1, device=x.device, dtype=x.dtype)
        for number, (start, end) in enumerate(grid.unfold(0, 2, 1), start=1):
            t, step = start.expand(len(x)), end - start
            drift = process.drift(denoise(x, t, condition), x, t)
            std = like(process.diffusion(t) * step.abs().sqrt(), x)
            x = space.exp(x, step * drift + std * space.random_tangent(x, generator))
            for _ in range(self.corrections if number < self.steps else 0):
                x = self._correct(denoise, process, x, end.expand(len(x)), condition, generator)
        return x

    def _correct(
        self,
        denoise: Denoise,
        process: Process,
        x: Tensor,
        t: Tensor,
        condition: dict[str, Tensor],
        generator: Generators,
    ) -> Tensor:
        """A step of `dX = 1/2 score dh + dB`, which keeps the distribution at time `t`.

        Song et al. set its length by the norms found in a batch. Those of a sample alone would make
        it depend on the point, which changes the distribution; so it comes from the expected norm
        of noise of variance s / (1 + s): s at first, and no more than one unit of the space.
        """
        space = process.space
        score = process.score(denoise(x, t, condition), x, t)
        variance = 1 / (1 + process.noise_level(t).square().reciprocal())
        step = 2 * self.snr**2 * variance
        noise = like(step.sqrt(), x) * space.random_tangent(x, generator)
        return space.exp(x, like(step / 2, x) * score + noise)
