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
    """First order: one network call a step, on a uniform grid of times.

    Args:
        steps: number of steps.

    Raises:
        ValueError: there are none.
    """

    def __init__(self, steps: int) -> None:
        if steps < 1:
            raise ValueError(f"a sampler needs 1 step or more, got {steps}")
        self.steps = steps

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

        grid = torch.linspace(*span, self.steps + 1, device=x.device, dtype=x.dtype)
        for number, (start, end) in enumerate(grid.unfold(0, 2, 1), start=1):
            last = number == self.steps and span[1] == process.span[1]
            x = self.step(velocity, process.space, x, start, end, last)
        return x

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
        steps: number of steps.
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
