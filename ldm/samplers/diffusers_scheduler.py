"""The schedulers of diffusers (DPM-Solver++, UniPC, PLMS, Euler, Heun) behind one adapter."""

import inspect
from collections.abc import Callable

import torch
from diffusers import DDIMScheduler, DDPMScheduler, SchedulerMixin
from jaxtyping import Float
from torch import Tensor

from ldm.processes import GaussianDiffusion, Process
from ldm.randomness import Generators
from ldm.samplers.respaced import check_discrete
from ldm.samplers.sampler import Denoise, Sampler, Span, to_data
from ldm.samplers.space_noise import SpaceNoise
from ldm.samplers.time_steps import set_time_steps, step
from ldm.tensors import like

__all__ = ["THE_PRIORS", "DiffusersScheduler"]

THE_PRIORS = {
    "beta_end",
    "beta_schedule",
    "beta_start",
    "clip_sample",
    "num_train_timesteps",
    "prediction_type",
    "rescale_betas_zero_snr",
    "trained_betas",
}
"""Options of schedulers that follow from the process, or from latents that are no pixels."""


class DiffusersScheduler(Sampler):
    """Runs a diffusers scheduler on the noise schedule of the process.

    The scheduler is told that the network predicts v, whatever it was trained on: v is the one
    prediction that stays well-conditioned at both ends of every schedule. Nor does it clip clean
    latents to [-1, 1], as diffusers does unless told not to: that range is for pixels.

    A span that begins in the middle runs the scheduler's time steps from there on; where the start
    is none of them, a DDIM step leads to the next. Points are always given in the
    variance-preserving coordinates of the process. DDIM and DDPM are our own.

    Args:
        scheduler: class of diffusers, or a partial of it with its options.
        steps: number of steps of the whole walk; Heun calls the network twice in each but the last.

    Raises:
        ValueError: there are no steps, the scheduler is DDIM or DDPM, or it is given what follows
            from the prior; on a call, the process has no discrete steps, or fewer than `steps`; a
            scheduler that is not configured here stops between two of them; or the span does not
            run to data.

    Example:
        >>> from functools import partial
        >>> from diffusers import UniPCMultistepScheduler
        >>> trailing = partial(UniPCMultistepScheduler, timestep_spacing="trailing")
        >>> sampler = DiffusersScheduler(trailing, steps=20)
    """

    def __init__(self, scheduler: Callable[..., SchedulerMixin], steps: int) -> None:
        if steps < 1:
            raise ValueError(f"a sampler needs 1 step or more, got {steps}")
        kind = getattr(scheduler, "func", scheduler)
        if kind in (DDIMScheduler, DDPMScheduler):
            own = kind.__name__.removesuffix("Scheduler")
            raise ValueError(f"set sampler to ldm.samplers.{own}, which needs no {kind.__name__}")
        given = getattr(scheduler, "keywords", {}).items()
        if theirs := sorted({key for key, value in given if value is not False} & THE_PRIORS):
            raise ValueError(
                f"a scheduler's {', '.join(theirs)} would be other than the prior's: leave it out, "
                f"and set prior.process before training"
            )
        self.scheduler, self.steps = scheduler, steps

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
        scheduler = self.build(process, x.device)
        if not to_data(process, span):
            raise ValueError(
                f"{type(scheduler).__name__} cannot be inverted: invert and sample with "
                f"sampler=ddim and eta=0"
            )

        def predict_v(x: Tensor, t: Tensor) -> Tensor:
            times = t.long().expand(len(x))
            found = denoise(x, times, condition)
            alpha, sigma = (like(scale, x) for scale in process.alpha_sigma(times))
            return alpha * found.eps - sigma * found.x0

        if span[0] == process.span[0]:
            # The base distribution stands for the first time step's, as diffusers has it.
            timesteps, x = scheduler.timesteps, x * scheduler.init_noise_sigma
        else:
            x, t = _to_grid(predict_v, process, scheduler, x, span[0])
            timesteps, x = self._from_middle(process, scheduler, x, t)
        for t in timesteps:
            v = predict_v(scheduler.scale_model_input(x, t), t)
            with SpaceNoise(process.space, len(x), generator):
                x = step(scheduler, v, t, x)
            x = process.space.project(x)
        return x

    def _from_middle(
        self, process: GaussianDiffusion, scheduler: SchedulerMixin, x: Tensor, t: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The time steps from one on, and the scheduler's state there; none where data are reached.

        Euler and Heun keep `x_t / alpha_t`, which their noise at the start tells.
        """
        if t is None:
            return scheduler.timesteps[:0], x
        # Heun has its time steps twice; a walk begins at the later of the two.
        first = int((scheduler.timesteps == t).nonzero()[-1])
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(first)
        if scheduler.init_noise_sigma != 1:
            x = x / process.alpha_sigma(t.long().view(1))[0].to(x.dtype)
        return scheduler.timesteps[first:], x

    def build(self, process: GaussianDiffusion, device: torch.device) -> SchedulerMixin:
        """Build the scheduler on the noise schedule of a process, with its time steps set.

        Raises:
            ValueError: the scheduler stops between the steps of the process.
        """
        clips = "clip_sample" in inspect.signature(self.scheduler).parameters
        scheduler = self.scheduler(
            num_train_timesteps=process.steps,
            trained_betas=process.betas.cpu().numpy(),
            prediction_type="v_prediction",
            **({"clip_sample": False} if clips else {}),
        )
        set_time_steps(scheduler, process, self.steps, device)
        return scheduler


def _to_grid(
    predict: Callable[[Tensor, Tensor], Tensor],
    process: GaussianDiffusion,
    scheduler: SchedulerMixin,
    x: Float[Tensor, "n ..."],
    start: float,
) -> tuple[Float[Tensor, "n ..."], Tensor | None]:
    """Points at the scheduler's first time step not above `start`, and that step.

    A DDIM step leads there; to clean latents, and no time step, where all of them are above.
    """
    below = scheduler.timesteps[scheduler.timesteps <= start]
    begin = torch.tensor(int(start), device=below.device)
    if len(below) and below[0] == begin:
        return x, below[0]
    alpha, sigma = (scale.to(x.dtype) for scale in process.alpha_sigma(begin.view(1)))
    v = predict(x, begin)
    x0, eps = alpha * x - sigma * v, sigma * x + alpha * v
    if not len(below):
        return x0, None
    alpha, sigma = (scale.to(x.dtype) for scale in process.alpha_sigma(below[0].long().view(1)))
    return alpha * x0 + sigma * eps, below[0]
