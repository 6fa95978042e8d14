"""SiT's stochastic sampler: a flow with noise, and a drift that undoes what the noise does.

Source: Ma et al., "SiT: Exploring flow and diffusion-based generative models with scalable
interpolant transformers", 2024, section 2.3 and the forms of diffusion of its code.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes import GaussianProcess, Process
from ldm.randomness import Generators
from ldm.samplers.sampler import Denoise, Sampler, Span, refuse_reversal
from ldm.tensors import like

__all__ = ["FlowSDE"]

FORMS = {
    "constant": lambda process, t: torch.ones_like(t),
    "sbdm": lambda process, t: process.noising_rate(t),
    "sigma": lambda process, t: process.alpha_sigma(t)[1],
    "linear": lambda process, t: 1 - t,
    "decreasing": lambda process, t: (torch.cos(math.pi * t) + 1).square() / 4,
    "increasing_decreasing": lambda process, t: torch.sin(math.pi * t).square(),
}
"""w(t) by name; `sbdm` is that of the diffusion whose flow it is (Song et al. 2021)."""


class FlowSDE(Sampler):
    """`dx = [v + w(t) s] dt + sqrt(2 w(t)) dB` by Euler-Maruyama, v the velocity and s the score.

    All w have the same distributions at all times. The last step, which ends at data, moves by the
    drift alone, and has a length of its own: there the score is largest.

    Args:
        steps: network calls, one a step.
        form: of w, one of `constant`, `sbdm`, `sigma`, `linear`, `decreasing` and
            `increasing_decreasing`.
        norm: factor of w.
        last_step: length of the last step; 0 makes all steps equal.

    Raises:
        ValueError: an argument is out of range; on a call, the process is no flow, the span runs
            from data to noise, or w is infinite where it starts.
    """

    def __init__(
        self, steps: int = 250, form: str = "sigma", norm: float = 1.0, last_step: float = 0.04
    ) -> None:
        if steps < 1 or norm < 0 or not 0 <= last_step < 1:
            raise ValueError(
                f"a walk needs 1 step or more, a norm of 0 or more and a last step from 0 to below "
                f"1, got {steps}, {norm} and {last_step}"
            )
        if form not in FORMS:
            raise ValueError(f"no form {form!r}: choose one of {', '.join(FORMS)}")
        self.steps, self.form, self.norm, self.last_step = steps, form, norm, last_step

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
        if not isinstance(process, GaussianProcess):
            raise ValueError(
                f"a {type(process).__name__} is no flow from Gaussian noise: sample it with "
                f"sampler=flow_heun"
            )
        grid = self._grid(process, span).to(x)
        for number, (start, end) in enumerate(grid.unfold(0, 2, 1), start=1):
            last = number == self.steps and span[1] == process.span[1]
            t, step = start.expand(len(x)), end - start
            found = denoise(x, t, condition)
            drift = process.velocity(found, x, t)
            if self.norm:
                w = self.norm * like(self._diffusion(process, t), x)
                drift = drift + w * process.score(found, x, t)
            x = x + step * drift
            if self.norm and not last:
                noise = process.space.random(len(x), generator, x.device, x.dtype)
                x = x + (2 * w * step).sqrt() * noise
            x = process.space.project(x)
        return x

    def _grid(self, process: GaussianProcess, span: Span) -> Float[Tensor, " steps"]:
        """Times of all steps; the last is shorter than `last_step` only where the span is."""
        start, end = span
        if end != process.span[1] or not self.last_step or self.steps == 1:
            return torch.linspace(start, end, self.steps + 1, dtype=torch.float64)
        last = min(self.last_step, (end - start) / 2)
        times = torch.linspace(start, end - last, self.steps, dtype=torch.float64)
        return torch.cat([times, times.new_tensor([end])])

    def _diffusion(self, process: GaussianProcess, t: Tensor) -> Float[Tensor, " n"]:
        w = FORMS[self.form](process, t)
        if not w.isfinite().all():
            raise ValueError(
                f"the form {self.form} is infinite at time {t[0].item():g}, pure noise: set "
                f"prior.process.sample_eps=1e-3 or another sampler.form"
            )
        return w
