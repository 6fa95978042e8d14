"""Brownian motion on a space, whatever its shape.

Source: De Bortoli et al., "Riemannian Score-Based Generative Modelling", 2022.
"""

import copy
import math

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes.predictions import Score
from ldm.processes.process import Process
from ldm.processes.rates import Rate
from ldm.randomness import Generators, uniform
from ldm.spaces import Space
from ldm.spaces.walk import random_walk
from ldm.tensors import like

__all__ = ["Brownian"]


class Brownian(Process):
    """`dX = sqrt(beta(t)) dB` from data at time 0 to almost the reference measure at time 1.

    Args:
        space: compact, else nothing is approached.
        rate: beta.
        first: the earliest time, above 0, that is trained at and where sampling stops; with the
            rate it sets a resolution of about `sqrt(s(first))` radians.
        steps: number of steps of a geodesic random walk that noises; None for the heat kernel.

    Raises:
        ValueError: the space is not compact; `first` is not between 0 and 1; there are no steps, or
            None are given where the heat kernel is not known.
    """

    prediction = Score
    needs_compact = True

    def __init__(
        self, space: Space, rate: Rate, first: float = 1e-3, steps: int | None = None
    ) -> None:
        super().__init__(space)
        if not 0 < first < 1:
            raise ValueError(f"the earliest time must be between 0 and 1, got {first}")
        if self.needs_compact and math.isinf(space.log_volume):
            raise ValueError(
                f"{space} has no uniform distribution to reach: set the process to Langevin"
            )
        self.schedule, self.first, self.steps = rate, first, steps
        self.span = (1.0, first)
        if steps is None:
            self.check_transition()
        elif steps < 1:
            raise ValueError(f"a walk needs 1 step or more, got {steps}")

    def brief(self) -> "Brownian":
        view = copy.copy(self)
        view.steps = None if self.steps is None else 1
        return view

    def rate(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """beta(t), the variance accumulated per unit of time."""
        return self.schedule.rate(t)

    def variance(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """s(t), the variance accumulated since time 0."""
        return self.schedule.variance(t)

    def random_times(self, n: int, generator: Generators, device) -> Float[Tensor, " n"]:
        """Uniform on [first, 1]."""
        return self.first + (1 - self.first) * uniform((n,), generator, device)

    def noise(
        self, latent: Float[Tensor, "n ..."], t: Float[Tensor, " n"], generator: Generators = None
    ) -> Float[Tensor, "n ..."]:
        s = self.variance(t).to(latent.dtype)
        if self.steps is None:
            return self.space.heat_kernel.sample(latent, s, generator)
        return random_walk(self.space, latent, s, self.steps, generator)

    def check_transition(self) -> None:
        """Refuse a space in which the density of the forward transition is not known.

        Raises:
            ValueError: it has no heat kernel.
        """
        self.space.heat_kernel  # noqa: B018  fail now, not in training

    def transition_score(
        self, x: Float[Tensor, "n ..."], latent: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        """The gradient at `x` of the log density of the forward transition from `latent`.

        Raises:
            ValueError: the heat kernel of the space is not known.
        """
        return self.space.heat_kernel.score(x, latent, self.variance(t).to(x.dtype))

    def towards(
        self, latent: Float[Tensor, "n ..."], x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Score:
        return Score(self.transition_score(x, latent, t))

    def noise_level(self, t: Tensor) -> Float[Tensor, " n"]:
        return self.variance(t).sqrt()

    def forward_drift(
        self, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        """Drift of the noising process: none."""
        return torch.zeros_like(x)

    def velocity(
        self, prediction: Score, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        return self.forward_drift(x, t) - like(self.rate(t) / 2, x) * prediction.score

    def drift(
        self, prediction: Score, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        return self.forward_drift(x, t) - like(self.rate(t), x) * prediction.score

    def diffusion(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        return self.rate(t).sqrt()

    def score(
        self, prediction: Score, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        return prediction.score
