"""Variance-preserving Gaussian diffusion in discrete time (Ho et al. 2020)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ldm.processes.noise_schedules import SCHEDULES
from ldm.processes.process import GaussianProcess
from ldm.randomness import Generators, uniform
from ldm.spaces import Space

__all__ = ["GaussianDiffusion"]


class GaussianDiffusion(GaussianProcess):
    """`x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps`, t = 0 (almost data) to steps - 1 (noise).

    Args:
        space: where the latents live.
        schedule: `linear`, `scaled_linear`, `cosine` or `polynomial_2`, see
            `ldm.processes.noise_schedules`.
        steps: number of steps.
        **numbers: the schedule's own, such as `start` and `end`.

    Raises:
        ValueError: no schedule has that name.

    Example:
        >>> from ldm.spaces import Flat
        >>> process = GaussianDiffusion(Flat([4, 32, 32]), "linear")
        >>> round(process.alpha_bar[999].item(), 9)
        4.0358e-05
    """

    def __init__(
        self, space: Space, schedule: str = "linear", steps: int = 1000, **numbers: float
    ) -> None:
        super().__init__(space)
        if schedule not in SCHEDULES:
            raise ValueError(f"no schedule {schedule!r}: choose one of {', '.join(SCHEDULES)}")
        self.steps, self.span = steps, (steps - 1, 0)
        with torch.device("cpu"):  # no checkpoint fills these in where a model is built on meta
            self.betas = SCHEDULES[schedule](steps, **numbers)
            self.alpha_bar = torch.cumprod(1 - self.betas, 0)

    def random_times(self, n: int, generator: Generators, device) -> Int[Tensor, " n"]:
        """Uniform over the steps."""
        times = uniform((n,), generator, device) * self.steps
        return times.long().clamp(max=self.steps - 1)  # float32 may round up to `steps` itself

    def time_at(self, share: float) -> int:
        """The nearest step."""
        return round(super().time_at(share))

    def alpha_sigma(self, t: Tensor) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        # Copied at each call: 4 kB a scale, and a process that is only read stays as it is.
        scales = self.alpha_bar.sqrt(), (1 - self.alpha_bar).sqrt()
        alpha, sigma = (scale.float().to(t.device)[t.long()] for scale in scales)
        return alpha, sigma
