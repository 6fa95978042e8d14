"""The schedulers of diffusers (DDPM, DDIM, DPM-Solver++, UniPC, Euler, Heun) behind one adapter."""

import inspect
from collections.abc import Callable, Sequence

import torch
from diffusers import SchedulerMixin
from jaxtyping import Float
from torch import Tensor

from ldm.processes import GaussianDiffusion, Process
from ldm.randomness import Generators
from ldm.samplers.sampler import Denoise, Sampler
from ldm.spaces import Space
from ldm.tensors import like

__all__ = ["DiffusersScheduler"]


class DiffusersScheduler(Sampler):
    """Runs a diffusers scheduler on the noise schedule of the process.

    The scheduler is told that the network predicts v, whatever it was trained on: v is the one
    prediction that stays well-conditioned at both ends of every schedule. Nor does it clip clean
    latents to [-1, 1], as diffusers does unless told not to: that range is for pixels.

    Args:
        scheduler: class of diffusers, or a partial of it with its options.
        steps: of the walk; Heun calls the network twice in each but the last.
        **options: of the scheduler's `step`: `eta` for DDIM.

    Raises:
        ValueError: on a call, the process has no discrete steps, or fewer than `steps`, or the
            scheduler stops between two of them.

    Example:
        >>> from functools import partial
        >>> from diffusers import DDIMScheduler
        >>> trailing = partial(DDIMScheduler, timestep_spacing="trailing")
        >>> sampler = DiffusersScheduler(trailing, steps=50)
    """

    def __init__(
        self, scheduler: Callable[..., SchedulerMixin], steps: int, **options: float
    ) -> None:
        self.scheduler, self.steps, self.options = scheduler, steps, options

    def __call__(
        self,
        denoise: Denoise,
        process: Process,
        space: Space,
        n: int,
        condition: dict[str, Tensor],
        generator: Generators = None,
        device: torch.device | str | None = None,
    ) -> Float[Tensor, "n ..."]:
        scheduler = self._build(process, device)
        options = dict(self.options)
        if "generator" in inspect.signature(scheduler.step).parameters:
            # diffusers knows several generators by their being a list.
            options["generator"] = list(generator) if isinstance(generator, Sequence) else generator
        x = process.random(n, generator, device) * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            noisy, times = scheduler.scale_model_input(x, t), t.long().expand(n)
            x0, eps = denoise(noisy, times, condition)
            alpha, sigma = (like(scale, noisy) for scale in process.alpha_sigma(times))
            x = scheduler.step(alpha * eps - sigma * x0, t, x, **options).prev_sample
        return x

    def _build(self, process: Process, device) -> SchedulerMixin:
        if not isinstance(process, GaussianDiffusion):
            raise ValueError(
                f"the schedulers of diffusers walk the steps of a GaussianDiffusion, got a "
                f"{type(process).__name__}: sample a flow with EulerODE or HeunODE"
            )
        if not 1 <= self.steps <= process.steps:
            raise ValueError(
                f"sampler.steps must be between 1 and the prior's {process.steps}, got {self.steps}"
            )
        clips = "clip_sample" in inspect.signature(self.scheduler).parameters
        scheduler = self.scheduler(
            num_train_timesteps=process.steps,
            trained_betas=process.betas.cpu().numpy(),
            prediction_type="v_prediction",
            **({"clip_sample": False} if clips else {}),
        )
        scheduler.set_timesteps(self.steps, device=device)
        if (scheduler.timesteps % 1).any():
            raise ValueError(
                f"{type(scheduler).__name__} stops between the {process.steps} steps that the "
                f"prior knows: set its timestep_spacing to trailing or leading"
            )
        return scheduler
