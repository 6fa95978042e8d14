"""The probability flow of a process along geodesics, with a fixed number of steps."""

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes import Process
from ldm.randomness import Generators
from ldm.samplers.sampler import Denoise, Sampler, Span
from ldm.spaces import Space

__all__ = ["EulerODE", "HeunODE"]


class EulerODE(Sampler):
    """First order: one network call a step, on a grid of times.

    Args:
        steps: number of steps.
        shift: below 1, steps are shorter near noise: at a share u of the way to data, uniform
            steps are at `shift u / (1 - (1 - shift) u)` (Esser et al. 2024, section 5.3.2).

    Raises:
        ValueError: there are no steps, or the shift is not positive.
    """

    def __init__(self, steps: int, shift: float = 1.0) -> None:
        if steps < 1:
            raise ValueError(f"a sampler needs 1 step or more, got {steps}")
        if not shift > 0:
            raise ValueError(f"a shift must be above 0, got {shift}")
        self.steps, self.shift = steps, shift

    def walk(
        self,
        denoise: Denoise,
        process: Process,
        x: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators,
        span: Span,
    ) -> Float[Tensor, "n ..."]:
        def velocity(x: Tensor, t: Tensor) -> Tensor:
            times = t.expand(len(x))
            return process.velocity(denoise(x, times, condition), x, times)

        grid = self.grid(process, span).to(x)
        for number, (start, end) in enumerate(grid.unfold(0, 2, 1), start=1):
            last = number == self.steps and span[1] == process.span[1]
            x = self.step(velocity, process.space, x, start, end, last)
        return x

    def grid(self, process: Process, span: Span) -> Float[Tensor, " times"]:
        """Times at the ends of all steps, in float64."""
        noise, data = process.span
        shares = ((time - noise) / (data - noise) for time in span)
        # Undone at the ends, so that a part of a walk has the density of steps of the whole.
        ends = (share / (self.shift + (1 - self.shift) * share) for share in shares)
        share = torch.linspace(*ends, self.steps + 1, dtype=torch.float64)
        shifted = self.shift * share / (1 - (1 - self.shift) * share)
        times = noise + (data - noise) * shifted
        times[0], times[-1] = span
        return times

    def step(
        self, velocity, space: Space, x: Tensor, start: Tensor, end: Tensor, last: bool
    ) -> Tensor:
        """One step of the solver; `last` if it ends at data."""
        return space.exp(x, (end - start) * velocity(x, start))


class HeunODE(EulerODE):
    """Second order: two network calls a step, but one in a last step that ends at data (EDM).

    The network need not have been trained at data itself, so samples do not depend on it there. A
    walk that begins at data, which is inversion, cannot avoid it.

    Args:
        steps, shift: see `EulerODE`.
    """

    def step(
        self, velocity, space: Space, x: Tensor, start: Tensor, end: Tensor, last: bool
    ) -> Tensor:
        slope = velocity(x, start)
        ahead = space.exp(x, (end - start) * slope)
        if last:
            return ahead
        back = space.transport(ahead, x, velocity(ahead, end))
        return space.exp(x, (end - start) * (slope + back) / 2)
