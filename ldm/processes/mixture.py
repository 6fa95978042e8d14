"""A mixture of bridges from the easy law to each datum, learned from both ends.

Source: Jo and Hwang, "Generative Modeling on Manifolds Through Mixture of Riemannian Diffusion
Processes", 2024.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes.predictions import Drifts
from ldm.processes.process import Process
from ldm.processes.rates import Linear
from ldm.randomness import Generators, uniform
from ldm.spaces import Space
from ldm.spaces.premetric import GeodesicDistance, Premetric
from ldm.spaces.space import like

__all__ = ["DiffusionMixture"]


class DiffusionMixture(Process):
    """Bridges `dX = beta(t)/S(t) v(X, z) dt + sqrt(beta) dB` to data z; S(t) is beta's rest to 1.

    `v(X, z)` is `log_X(z)`, or a spectral direction where geodesics are unknown. Steps follow the
    law of a Brownian bridge over each, so in flat space their number does not matter.

    Args:
        space: its reference law is that at time 0.
        rate: beta.
        first: how close to either end, in time, is trained and sampled.
        steps: of the walk from the nearer end to the time that is trained at.
        importance: draw times in proportion to 1/beta rather than uniformly.
        premetric: maker, from the space, of what tells the direction v; None for geodesics.
    """

    prediction = Drifts

    def __init__(
        self,
        space: Space,
        rate: Linear,
        first: float = 1e-3,
        steps: int = 15,
        importance: bool = False,
        premetric: Callable[[Space], Premetric] | None = None,
    ) -> None:
        super().__init__(space)
        self.schedule, self.first, self.steps, self.importance = rate, first, steps, importance
        self.premetric = (premetric or GeodesicDistance)(space)
        self.total = rate.variance(torch.ones(())).item()
        self.span = (0.0, 1 - first)

    def random_times(self, n: int, generator: Generators, device) -> Float[Tensor, " n"]:
        """On [first, 1 - first], uniform or with density proportional to 1/beta."""
        u = uniform((n,), generator, device)
        if self.importance:
            return self.schedule.reciprocal_quantile(u, self.first, 1 - self.first)
        return self.first + (1 - 2 * self.first) * u

    def weight(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """What makes the mean over `random_times` the integral of 1/beta times the loss."""
        if self.importance:
            total = self.schedule.reciprocal_total(self.first, 1 - self.first)
            return torch.full_like(t, total)
        return 1 / self.schedule.rate(t)

    def targets(
        self,
        x: Float[Tensor, "n ..."],
        origin: Float[Tensor, "n ..."],
        latent: Float[Tensor, "n ..."],
        t: Float[Tensor, " n"],
    ) -> Drifts:
        """Drifts at `x` of the bridges to `latent`, and of their reversals to `origin`."""
        beta, gathered = self.schedule.rate(t), self.schedule.variance(t)
        return Drifts(
            like(beta / (self.total - gathered), x) * self.premetric.direction(x, latent),
            like(beta / gathered, x) * self.premetric.direction(x, origin),
        )

    def bridge(
        self,
        origin: Float[Tensor, "n ..."],
        latent: Float[Tensor, "n ..."],
        t: Float[Tensor, " n"],
        generator: Generators = None,
    ) -> Float[Tensor, "n ..."]:
        """Where a bridge between two points is at time `t`, walked from the nearer end."""
        early = t < 0.5
        choose = like(early, origin).bool()
        x, goal = torch.where(choose, origin, latent), torch.where(choose, latent, origin)
        end = torch.where(early, 0.0, 1.0)
        # What is left of the variance to the far end, before and after each step.
        left = torch.full_like(t, self.total)
        for number in range(self.steps):
            gathered = self.schedule.variance(end + (t - end) * ((number + 1) / self.steps))
            after = torch.where(early, self.total - gathered, gathered)
            pull, deviation = 1 - after / left, ((left - after) * after / left).sqrt()
            noise = self.space.random_tangent(x, generator)
            drift = like(pull, x) * self.premetric.direction(x, goal)
            x, left = self.space.exp(x, drift + like(deviation, x) * noise), after
        return x

    def noise(
        self, latent: Float[Tensor, "n ..."], t: Float[Tensor, " n"], generator: Generators = None
    ) -> Float[Tensor, "n ..."]:
        origin = self.space.random(len(latent), generator, latent.device, latent.dtype)
        return self.bridge(origin, latent, t, generator)

    def noise_level(self, t: Tensor) -> Float[Tensor, " n"]:
        return (self.total - self.schedule.variance(t)).sqrt()

    def velocity(
        self, prediction: Drifts, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        return (prediction.forward - prediction.backward) / 2

    def drift(
        self, prediction: Drifts, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        return prediction.forward

    def diffusion(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self.schedule.rate(t).sqrt()

    def score(
        self, prediction: Drifts, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        """The two drifts add up to beta times the score."""
        return (prediction.forward + prediction.backward) / like(self.schedule.rate(t), x)
