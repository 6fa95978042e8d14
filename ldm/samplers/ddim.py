"""Deterministic DDIM steps of a Gaussian diffusion, and their inverse.

A step from time s to t is `x_t = alpha_t x0 + sigma_t eps` (Song et al. 2021, "Denoising Diffusion
Implicit Models", equation 12 without noise), which in x_s and v is `keep x_s + turn v`.
"""

from collections.abc import Callable

import torch
from diffusers import DDIMScheduler, SchedulerMixin
from jaxtyping import Float
from torch import Tensor

from ldm.processes import GaussianDiffusion
from ldm.samplers.sampler import Denoise
from ldm.samplers.time_steps import step
from ldm.tensors import like

__all__ = ["invert", "predict_v", "to_grid"]

PredictV = Callable[[Tensor, Tensor], Tensor]

# Each iteration multiplies the error by |turn / keep dv/dx|. For Gaussian latents of standard
# deviation 1 that is zero. For 0.3 it is largest in the last of 50 steps, 0.05 (cosine) to 0.24
# (scaled linear), so eight leave 1e-5 or less; of 10 steps, 0.64, they leave 3 %. Directions in
# which data hardly vary converge slowest: there the last step to data forgets the noise.
ITERATIONS = 8


def predict_v(
    denoise: Denoise,
    process: GaussianDiffusion,
    x: Float[Tensor, "n ..."],
    t: Tensor,
    condition: dict[str, Tensor],
) -> Float[Tensor, "n ..."]:
    """`alpha eps - sigma x0` at one time for all samples."""
    times = t.long().expand(len(x))
    x0, eps = denoise(x, times, condition)
    alpha, sigma = (like(scale, x) for scale in process.alpha_sigma(times))
    return alpha * eps - sigma * x0


def to_grid(
    predict: PredictV,
    process: GaussianDiffusion,
    scheduler: SchedulerMixin,
    x: Float[Tensor, "n ..."],
    start: float,
) -> tuple[Float[Tensor, "n ..."], Tensor | None]:
    """Points at the scheduler's first time step not above `start`, and that step.

    A DDIM step leads there; to clean latents, and no time step, where all of them are above.
    """
    start, t = _reached(scheduler, start)
    if t is not None and t == start:
        return x, t
    keep, turn = _coefficients(process, start, t, x)
    return keep * x + turn * predict(x, start), t


def invert(
    predict: PredictV,
    process: GaussianDiffusion,
    scheduler: DDIMScheduler,
    x: Float[Tensor, "n ..."],
    end: float,
) -> Float[Tensor, "n ..."]:
    """Points at time `end` from which the scheduler's deterministic steps lead to `x`.

    The steps are the scheduler's own, undone one by one, and the one of `to_grid` if `end` is
    between two of them.
    """
    end, reached = _reached(scheduler, end)
    one, zero = x.new_ones(()), x.new_zeros(())
    for t in scheduler.timesteps.flip(0):
        if t <= end:
            keep, turn = step(scheduler, zero, t, one), step(scheduler, one, t, zero)
            x = _undo(predict, process, x, t, keep, turn)
    if end != process.span[0] and (reached is None or reached < end):
        x = _undo(predict, process, x, end, *_coefficients(process, end, reached, x))
    return x


def _undo(
    predict: PredictV, process: GaussianDiffusion, x: Tensor, t: Tensor, keep: Tensor, turn: Tensor
) -> Tensor:
    """The `y` at time `t` with `keep y + turn v(y) = x`, by fixed-point iteration."""
    y = x
    for _ in range(ITERATIONS):
        y = process.space.project((x - turn * predict(y, t)) / keep)
    return y


def _reached(scheduler: SchedulerMixin, time: float) -> tuple[Tensor, Tensor | None]:
    """A time as a tensor, and the first time step that is not above it."""
    below = scheduler.timesteps[scheduler.timesteps <= time]
    return torch.tensor(int(time), device=below.device), below[0] if len(below) else None


def _coefficients(
    process: GaussianDiffusion, start: Tensor, end: Tensor | None, x: Tensor
) -> tuple[Tensor, Tensor]:
    """`keep` and `turn` of a step between two times; to clean latents where `end` is None."""
    alpha, sigma = (scale.to(x.dtype) for scale in process.alpha_sigma(start.view(1)))
    if end is None:
        return alpha, -sigma
    alpha_end, sigma_end = (scale.to(x.dtype) for scale in process.alpha_sigma(end.long().view(1)))
    return alpha_end * alpha + sigma_end * sigma, sigma_end * alpha - alpha_end * sigma
