"""The Euler-Maruyama method: a random walk in ambient coordinates that ends in the space."""

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes import Process
from ldm.randomness import Generators
from ldm.samplers.sampler import Denoise, Sampler, Span, refuse_reversal
from ldm.tensors import like

__all__ = ["EulerMaruyama"]


class EulerMaruyama(Sampler):
    """`x <- x + drift dt + diffusion sqrt(dt) Z` on a uniform grid of times; projected at the end.

    For processes that walk between the points of a space, such as those of a lattice; in a linear
    space it is a `GeodesicWalk`. Coefficients are read at the start of each step.

    Args:
        steps: number of steps.

    Raises:
        ValueError: there are none; on a call, the span runs from data to noise.
    """

    def __init__(self, steps: int) -> None:
        if steps < 1:
            raise ValueError(f"a walk needs 1 step or more, got {steps}")
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
        refuse_reversal(process, span)
        grid = torch.linspace(*span, self.steps + 1, device=x.device, dtype=x.dtype)
        for start, end in grid.unfold(0, 2, 1):
            t, step = start.expand(len(x)), end - start
            drift = process.drift(denoise(x, t, condition), x, t)
            std = like(process.diffusion(t) * step.abs().sqrt(), x)
            x = x + step * drift + std * process.space.random_tangent(x, generator)
        return process.space.project(x) if span[1] == process.span[1] else x
