"""The schedulers of diffusers (DDPM, DDIM, DPM-Solver++, UniPC, Euler, Heun) behind one adapter."""

import inspect
from collections.abc import Callable

import torch
from diffusers import SchedulerMixin
from jaxtyping import Float
from torch import Tensor

from ldm.processes import GaussianDiffusion
from ldm.processes.process import like
from ldm.randomness import Generators
from ldm.samplers.sampler import Denoise, Sampler
from ldm.spaces import Space

__all__ = ["Scheduler"]


class Scheduler(Sampler):
    """Runs a diffusers scheduler on the noise schedule of the process.

    The scheduler is told that the network predicts v, whatever it was trained on: v is the one
    prediction that stays well-conditioned at both ends of every schedule.

    Args:
        scheduler: class of diffusers, or a partial of it with its options.
        steps: of the walk; Heun calls the network twice in each but the last.
        **options: of the scheduler's `step`: `eta` for DDIM.

    Example:
        >>> from diffusers import DDIMScheduler
        >>> sampler = Scheduler(DDIMScheduler, steps=50)
    """

    def __init__(
        self, scheduler: Callable[..., SchedulerMixin], steps: int, **options: float
    ) -> None:
        self.scheduler, self.steps, self.options = scheduler, steps, options

    def __call__(
        self,
        denoise: Denoise,
        process: GaussianDiffusion,
        space: Space,
        n: int,
        condition: dict[str, Tensor],
        generator: Generators = None,
        device: torch.device | str | None = None,
    ) -> Float[Tensor, "n ..."]:
        scheduler = self.scheduler(
            num_train_timesteps=process.steps,
            trained_betas=process.betas.cpu().numpy(),
            prediction_type="v_prediction",
        )
        scheduler.set_timesteps(self.steps, device=device)
        options = dict(self.options)
        if "generator" in inspect.signature(scheduler.step).parameters:
            options["generator"] = generator
        x = space.random(n, generator, device) * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            noisy, times = scheduler.scale_model_input(x, t), t.expand(n)
            x0, eps = denoise(noisy, times, condition)
            alpha, sigma = (like(scale, noisy) for scale in process.alpha_sigma(times))
            x = scheduler.step(alpha * eps - sigma * x0, t, x, **options).prev_sample
        return x
