"""Log likelihood of latents, by the change of variables along the probability flow.

Sources: Chen et al. 2018; Grathwohl et al. 2019 (random probes); De Bortoli et al. 2022, section 3.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes import Process
from ldm.randomness import Generators, normal
from ldm.samplers.adaptive import States, solve
from ldm.samplers.sampler import Denoise, Span, refuse_nan
from ldm.spaces import Space
from ldm.spaces.divergence import divergence, hutchinson_divergence

__all__ = ["Likelihood", "LikelihoodResult"]


class LikelihoodResult(NamedTuple):
    """A log density, and where the flow led to find it.

    Attributes:
        log_density: nats against the volume of the space.
        base_point: the point of the base distribution that the flow takes to the latent.
    """

    log_density: Float[Tensor, " n"]
    base_point: Float[Tensor, "n ..."]


class Likelihood:
    """`log p(x) = log base(z) + int div v dt`, z where the flow takes x when run back to noise.

    With a process of resolution `first` it is the density of data blurred by that much. A space may
    have fewer directions at some points than its `dim`, as a masked one has: its frame then gives
    zero vectors for the further coordinates, which add nothing.

    Args:
        steps: number of Heun steps, projected on the space; None for an adaptive solver.
        tolerance: relative and absolute tolerance of the adaptive solver.
        exact: sum the divergence over a frame; else estimate it with one probe a point, of the same
            coordinates, 1 or -1, in the frame all along its path. Where frames are not continuous
            the adaptive solver has to take small steps: give it `steps` instead.

    Raises:
        ValueError: there are no steps, or the tolerance is not positive.

    Example: a field that stands still leaves the base distribution as it is.
        >>> from ldm.processes import GeodesicFlow, Velocity
        >>> from ldm.spaces import Sphere
        >>> flow = GeodesicFlow(Sphere(2))
        >>> still = lambda x, t, condition: Velocity(torch.zeros_like(x))
        >>> Likelihood(steps=4)(still, flow, flow.random(1), {}).log_density
        tensor([-2.5310])
    """

    def __init__(
        self, steps: int | None = None, tolerance: float = 1e-5, exact: bool = True
    ) -> None:
        if steps is not None and steps < 1:
            raise ValueError(f"a likelihood needs 1 step or more, got {steps}")
        if not tolerance > 0:
            raise ValueError(f"a tolerance must be above 0, got {tolerance}")
        self.steps, self.tolerance, self.exact = steps, tolerance, exact

    def __call__(
        self,
        denoise: Denoise,
        process: Process,
        x: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> LikelihoodResult:
        """Log density of each of `x`, and the point of the base distribution that it comes from.

        Raises:
            Unsolved: it is NaN, or the adaptive solver gave up.
        """
        space = process.space
        if not self.exact:
            coordinates = normal((len(x), space.dim), generator, x.device, x.dtype).sign()

        def field(t: Tensor, states: States) -> States:
            point = space.project(states[0])
            times = t.to(point.dtype).expand(len(point))

            def velocity(x: Tensor) -> Tensor:
                return process.velocity(denoise(x, times, condition), x, times)

            if self.exact:
                return divergence(space, velocity, point)
            return hutchinson_divergence(space, velocity, point, space.frame(point, coordinates))

        span = process.span[::-1]
        states = (x, torch.zeros_like(process.log_density(x)))
        if self.steps is None:
            z, gathered = solve(field, states, span, self.tolerance, self.tolerance)
        else:
            z, gathered = self._heun(field, space, states, span)
        z = space.project(z)
        return LikelihoodResult(refuse_nan("the likelihood", process.log_density(z) + gathered), z)

    def _heun(self, field, space: Space, states: States, span: Span) -> States:
        x, gathered = states
        grid = torch.linspace(*span, self.steps + 1, device=x.device, dtype=x.dtype)
        for start, end in grid.unfold(0, 2, 1):
            step = end - start
            v, div = field(start, (x, gathered))
            ahead_v, ahead_div = field(end, (space.project(x + step * v), gathered))
            x = space.project(x + step * (v + ahead_v) / 2)
            gathered = gathered + step * (div + ahead_div) / 2
        return x, gathered
