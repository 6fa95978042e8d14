"""The schedulers of diffusers (DDPM, DDIM, DPM-Solver++, UniPC, Euler, Heun) behind one adapter."""

import inspect
from collections.abc import Callable

import torch
from diffusers import DDIMScheduler, DDPMScheduler, SchedulerMixin
from jaxtyping import Float
from torch import Tensor

from ldm.processes import GaussianDiffusion, Process
from ldm.randomness import Generators
from ldm.samplers import ddim
from ldm.samplers.sampler import Denoise, Sampler, Span, to_data
from ldm.samplers.space_noise import SpaceNoise
from ldm.samplers.time_steps import set_time_steps, step

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
    is none of them, a DDIM step leads to the next. A reversed span is DDIM inversion, and has to
    begin at data. Points are always given in the variance-preserving coordinates of the process.

    Args:
        scheduler: class of diffusers, or a partial of it with its options.
        steps: number of steps of the whole walk; Heun calls the network twice in each but the last.
        eta: noise that DDIM adds, from 0 (none) to 1 (that of DDPM).
        final_noise: end with a draw of p(x | z_0), which has the noise of time 0 around the last
            prediction, instead of with its mean (Hoogeboom et al. 2022, appendix B).

    Raises:
        ValueError: there are no steps, `eta` is not between 0 and 1, or the scheduler is given what
            follows from the prior; on a call, the process has no discrete steps, or
            fewer than `steps`; a scheduler that is not configured here stops between two of them;
            neither end of the span is data; or a reversed span is asked of a scheduler other than
            deterministic DDIM.

    Example:
        >>> from functools import partial
        >>> from diffusers import DDIMScheduler
        >>> trailing = partial(DDIMScheduler, timestep_spacing="trailing")
        >>> sampler = DiffusersScheduler(trailing, steps=50)
    """

    def __init__(
        self,
        scheduler: Callable[..., SchedulerMixin],
        steps: int,
        eta: float = 0.0,
        final_noise: bool = False,
    ) -> None:
        if steps < 1:
            raise ValueError(f"a sampler needs 1 step or more, got {steps}")
        if not 0 <= eta <= 1:
            raise ValueError(f"eta is 0 (no noise) to 1 (that of DDPM), got {eta}")
        given = getattr(scheduler, "keywords", {}).items()
        if theirs := sorted({key for key, value in given if value is not False} & THE_PRIORS):
            raise ValueError(
                f"a scheduler's {', '.join(theirs)} would be other than the prior's: leave it out, "
                f"and set prior.process before training"
            )
        self.scheduler, self.steps, self.eta = scheduler, steps, eta
        self.final_noise = final_noise

    def walk(
        self,
        denoise: Denoise,
        process: Process,
        x: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators,
        span: Span,
    ) -> Float[Tensor, "n ..."]:
        scheduler = self.build(process, x.device)
        if process.span[1] not in span:
            raise ValueError(
                f"a diffusers scheduler walks to data, or by inversion from data, at time "
                f"{process.span[1]}: got the span {span[0]} to {span[1]}"
            )

        def predict_v(x: Tensor, t: Tensor) -> Tensor:
            return ddim.predict_v(denoise, process, x, t, condition)

        if not to_data(process, span):
            self._check_invertible(scheduler)
            return ddim.invert(predict_v, process, scheduler, x, span[1])
        if span[0] == process.span[0]:
            # The base distribution stands for the first time step's, as diffusers has it.
            timesteps, x = scheduler.timesteps, x * scheduler.init_noise_sigma
        else:
            x, t = ddim.to_grid(predict_v, process, scheduler, x, span[0])
            timesteps, x = self._from_middle(process, scheduler, x, t)
        # At 1 diffusers takes the root of what is 0, or a rounding error below.
        options = {"eta": min(self.eta, 1 - 1e-9)} if self.eta else {}
        for t in timesteps:
            v = predict_v(scheduler.scale_model_input(x, t), t)
            # Ho et al. add no noise in the last step; diffusers only knows that at t = 0.
            last = isinstance(scheduler, DDPMScheduler) and bool(t == timesteps[-1])
            with SpaceNoise(process.space, len(x), generator, scale=1.0 - last):
                x = step(scheduler, v, t, x, **options)
            x = process.space.project(x)
        if not self.final_noise:
            return x
        level = process.noise_level(torch.zeros(1, device=x.device)).to(x.dtype)
        return x + level * process.space.random(len(x), generator, x.device, x.dtype)

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

    def _check_invertible(self, scheduler: SchedulerMixin) -> None:
        if not isinstance(scheduler, DDIMScheduler) or self.eta or self.final_noise:
            raise ValueError(
                f"{type(scheduler).__name__} with eta={self.eta} and "
                f"final_noise={self.final_noise} cannot be inverted: invert and "
                f"sample with sampler=ddim and eta=0"
            )

    def build(self, process: Process, device: torch.device) -> SchedulerMixin:
        """Build the scheduler on the noise schedule of a process, with its time steps set.

        Raises:
            ValueError: the process has no such steps, or the scheduler stops between them.
        """
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
        if self.eta and "eta" not in inspect.signature(scheduler.step).parameters:
            raise ValueError(f"{type(scheduler).__name__} takes no eta: set sampler=ddim")
        set_time_steps(scheduler, process, self.steps, device)
        return scheduler
