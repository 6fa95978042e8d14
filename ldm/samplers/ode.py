"""The ordinary differential equation of a flow, with a fixed number of steps."""

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes import GaussianProcess
from ldm.randomness import Generators
from ldm.samplers.sampler import Denoise, Sampler
from ldm.spaces import Space
from ldm.spaces.space import like

__all__ = ["EulerODE", "HeunODE"]


class EulerODE(Sampler):
    """First order: one network call a step, on a uniform grid of times from noise to data.

    Args:
        steps: of the walk.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def __call__(
        self,
        denoise: Denoise,
        process: GaussianProcess,
        space: Space,
        n: int,
        condition: dict[str, Tensor],
        generator: Generators = None,
        device: torch.device | str | None = None,
    ) -> Float[Tensor, "n ..."]:
        def velocity(x: Tensor, t: Tensor) -> Tensor:
            times = t.expand(n)
            x0, eps = denoise(x, times, condition)
            alpha_rate, sigma_rate = (like(rate, x) for rate in process.alpha_sigma_rate(times))
            return alpha_rate * x0 + sigma_rate * eps

        x = space.random(n, generator, device)
        grid = torch.linspace(0, 1, self.steps + 1, device=device)
        for start, end in grid.unfold(0, 2, 1):
            x = self.step(velocity, x, start, end)
        return x

    def step(self, velocity, x: Tensor, start: Tensor, end: Tensor) -> Tensor:
        """One step of the solver."""
        return x + (end - start) * velocity(x, start)


class HeunODE(EulerODE):
    """Second order: two network calls a step, but one in the last, as EDM does.

    Args:
        steps: of the walk.
    """

    def step(self, velocity, x: Tensor, start: Tensor, end: Tensor) -> Tensor:
        slope = velocity(x, start)
        ahead = x + (end - start) * slope
        if end >= 1:  # the network has not been trained at the end itself
            return ahead
        return x + (end - start) * (slope + velocity(ahead, end)) / 2
