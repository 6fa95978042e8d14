"""The probability flow of a process along geodesics, with a fixed number of steps."""

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes import Process
from ldm.randomness import Generators
from ldm.samplers.sampler import Denoise, Sampler
from ldm.spaces import Space

__all__ = ["EulerODE", "HeunODE"]


class EulerODE(Sampler):
    """First order: one network call a step, on a uniform grid of times from noise to data.

    Args:
        steps: of the walk.

    Raises:
        ValueError: there are none.
    """

    def __init__(self, steps: int) -> None:
        if steps < 1:
            raise ValueError(f"a sampler needs 1 step or more, got {steps}")
        self.steps = steps

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
        def velocity(x: Tensor, t: Tensor) -> Tensor:
            times = t.expand(n)
            return process.velocity(denoise(x, times, condition), x, times)

        x = process.random(n, generator, device)
        grid = torch.linspace(*process.span, self.steps + 1, device=device)
        last = grid[-1]
        for start, end in grid.unfold(0, 2, 1):
            x = self.step(velocity, space, x, start, end, bool(end == last))
        return x

    def step(
        self, velocity, space: Space, x: Tensor, start: Tensor, end: Tensor, last: bool
    ) -> Tensor:
        """One step of the solver."""
        return space.exp(x, (end - start) * velocity(x, start))


class HeunODE(EulerODE):
    """Second order: two network calls a step, but one in the last, as EDM does.

    The network need not have been trained at the end itself, so it is not asked there.

    Args:
        steps: of the walk.
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
