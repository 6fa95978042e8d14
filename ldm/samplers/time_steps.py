"""Time steps of diffusers' schedulers for any number of steps, and one step of a scheduler.

diffusers spaces time steps by `total // steps`. Where the number of steps does not divide the
total, its time steps start too late, repeat or fall between whole ones. Here they are those of
`ldm.samplers.spacing`. Where the number divides the total, all is as in diffusers.
"""

import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    SchedulerMixin,
    UniPCMultistepScheduler,
)
from jaxtyping import Float, Int
from torch import Tensor

from ldm.processes import GaussianDiffusion
from ldm.samplers.spacing import spaced, whole

__all__ = ["set_time_steps", "step"]

WITHOUT_ZERO = (DPMSolverMultistepScheduler, UniPCMultistepScheduler)
"""Solvers in log(alpha / sigma), which diffusers keeps from time step 0, just before the data."""

BY_SIGMA = (*WITHOUT_ZERO, EulerDiscreteScheduler, HeunDiscreteScheduler)
"""Schedulers that keep the noise levels sigma/alpha of their time steps."""

SIGMA_SPACINGS = ("karras_sigmas", "exponential_sigmas", "beta_sigmas", "lu_lambdas")

LARGEST_RATIO = 10
"""Ratio of the noise levels of a step above which Heun's correction makes the step worse.

It averages slopes over sigma. Where sigma falls that far, the slope changes near the step's end
alone, and the average misses by a multiple of the noise that should be left there.
"""


def set_time_steps(
    scheduler: SchedulerMixin, process: GaussianDiffusion, steps: int, device: torch.device
) -> None:
    """Set a scheduler's time steps: whole, falling, and noise first.

    There are as many as asked, but fewer where an offset or a spacing by noise levels leads twice
    to one. Schedulers other than those that are configured keep diffusers' own.

    Raises:
        ValueError: such a scheduler stops between two steps of the process.
    """
    scheduler.set_timesteps(steps, device=device)
    # diffusers multiplies its signal up in float32.
    scheduler.alphas_cumprod = process.alpha_bar
    if isinstance(scheduler, BY_SIGMA):
        times, last = _times(scheduler, steps), scheduler.sigmas[-1:]
        scheduler.set_timesteps(len(times), device=device)  # which starts its other state anew
        signal = process.alpha_bar[times]
        sigmas = ((1 - signal) / signal).sqrt().float()
        times = times.to(scheduler.timesteps)
        if isinstance(scheduler, HeunDiscreteScheduler):  # twice where a step is corrected
            calls = 1 + (sigmas[:-1] < LARGEST_RATIO * sigmas[1:]).long()
            calls = torch.cat([calls.new_ones(1), calls])
            times, sigmas = (x.repeat_interleave(calls.to(x.device)) for x in (times, sigmas))
        scheduler.timesteps, scheduler.sigmas = times, torch.cat([sigmas, last])
    elif (scheduler.timesteps % 1).any():
        raise ValueError(
            f"{type(scheduler).__name__} stops between the {process.steps} steps that the prior "
            f"knows: set its timestep_spacing to trailing or leading"
        )


def step(
    scheduler: SchedulerMixin,
    v: Float[Tensor, "*shape"],
    t: Tensor,
    x: Float[Tensor, "*shape"],
) -> Float[Tensor, "*shape"]:
    """Points at the scheduler's next time step, clean after the last, from those at step `t`."""
    x = scheduler.step(v, t, x).prev_sample
    if isinstance(scheduler, HeunDiscreteScheduler):
        ahead = scheduler.timesteps[scheduler.step_index :][:2]
        if len(ahead.unique()) == len(ahead):
            scheduler.dt = None  # no correction
    return x


def _times(scheduler: SchedulerMixin, steps: int) -> Int[Tensor, " times"]:
    """Time steps of at most this number, in the spacing that the scheduler is configured for."""
    config, total = scheduler.config, scheduler.config.num_train_timesteps
    if any(config.get(f"use_{name}") for name in SIGMA_SPACINGS):
        return whole(scheduler.timesteps.cpu().double(), total)
    skipped = int(isinstance(scheduler, WITHOUT_ZERO) and steps < total)
    return spaced(config.timestep_spacing, total, steps, config.get("steps_offset", 0), skipped)
