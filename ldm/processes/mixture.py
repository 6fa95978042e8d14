"""A mixture of bridges from the base distribution to each datum, learned from both ends.

Source: Jo and Hwang, "Generative Modeling on Manifolds Through Mixture of Riemannian Diffusion
Processes", 2024.
"""

import copy
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
from ldm.tensors import like

__all__ = ["DiffusionMixture"]


class DiffusionMixture(Process):
    """Bridges `dX = beta(t)/S(t) v(X, z) dt + sqrt(beta) dB` to data z; S(t) is beta's rest to 1.

    `v(X, z)` is `log_X(z)`, or a spectral direction where geodesics are unknown. Steps follow the
    distribution of a Brownian bridge over each, so in flat space their number does not matter.

    Args:
        space: its reference measure is the base distribution, at time 0.
        rate: beta.
        first: how close to either end, in time, is trained and sampled.
        steps: number of steps from the nearer end to the time that is trained at.
        importance: draw times in proportion to 1/beta rather than uniformly.
        premetric: makes, from the space, the premetric that gives the direction v; None for
            geodesics.

    Raises:
        ValueError: `first` is not between 0 and 1/2, or there are no steps.
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
        if not 0 < first < 0.5 or steps < 1:
            raise ValueError(
                f"a mixture needs 0 < first < 1/2 and 1 step or more, got {first} and {steps}"
            )
        self.schedule, self.first, self.steps, self.importance = rate, first, steps, importance
        self._premetric = premetric or GeodesicDistance
        self.premetric = self._premetric(space)
        self.span = (0.0, 1 - first)

    def _bound(self, space: Space) -> Process:
        view = super()._bound(space)
        view.premetric = self._premetric(space)
        return view

    def brief(self) -> "DiffusionMixture":
        view = copy.copy(self)
        view.steps = 1
        return view

    def random_times(self, n: int, generator: Generators, device) -> Float[Tensor, " n"]:
        """Draw times on [first, 1 - first], uniform or with density proportional to 1/beta."""
        u = uniform((n,), generator, device)
        if self.importance:
            return self.schedule.reciprocal_quantile(u, self.first, 1 - self.first)
        return self.first + (1 - 2 * self.first) * u

    def weight(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Weight of the loss at t, so that averages over `random_times` estimate that of loss/beta.

        Up to a constant factor: 1 / beta itself or, with importance, the integral of 1 / beta.
        """
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
        rate = self.schedule
        return Drifts(
            like(rate.rate(t) / rate.remaining(t), x) * self.premetric.direction(x, latent),
            like(rate.rate(t) / rate.variance(t), x) * self.premetric.direction(x, origin),
        )

    def bridge(
        self,
        origin: Float[Tensor, "n ..."],
        latent: Float[Tensor, "n ..."],
        t: Float[Tensor, " n"],
        generator: Generators = None,
    ) -> Float[Tensor, "n ..."]:
        """Draw a bridge between two points at time `t`, by a walk from the nearer end."""
        rate, early = self.schedule, t < 0.5
        choose = early.view(-1, *[1] * (origin.ndim - 1))
        x, goal = torch.where(choose, origin, latent), torch.where(choose, latent, origin)
        away = torch.where(early, t, 1 - t)  # from the end where the walk starts
        gathered = torch.zeros_like(t)  # there; what is left is the rest to the other end
        for number in range(1, self.steps + 1):
            so_far = away * (number / self.steps)
            now = torch.where(early, rate.variance(so_far), rate.remaining(1 - so_far))
            step, left, after = now - gathered, rate.total - gathered, rate.total - now
            pull, std = step / left, (step * after / left).sqrt()
            noise = self.space.random_tangent(x, generator)
            drift = like(pull, x) * self.premetric.direction(x, goal)
            x, gathered = self.space.exp(x, drift + like(std, x) * noise), now
        return x

    def noise(
        self, latent: Float[Tensor, "n ..."], t: Float[Tensor, " n"], generator: Generators = None
    ) -> Float[Tensor, "n ..."]:
        origin = self.space.random(len(latent), generator, latent.device, latent.dtype)
        return self.bridge(origin, latent, t, generator)

    def noise_level(self, t: Tensor) -> Float[Tensor, " n"]:
        return self.schedule.remaining(t).sqrt()

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
