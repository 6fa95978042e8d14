"""Langevin dynamics: noise for spaces without a uniform distribution, such as hyperbolic ones.

Source: De Bortoli et al., "Riemannian Score-Based Generative Modelling", 2022, section 3.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes.brownian import Brownian
from ldm.processes.process import Process
from ldm.processes.rates import Rate
from ldm.randomness import Generators
from ldm.spaces import Space
from ldm.tensors import like

__all__ = ["Langevin"]


class Langevin(Brownian):
    """`dX = beta/2 grad log p dt + sqrt(beta) dB`, which keeps the space's reference measure p.

    In a flat space it is the variance-preserving diffusion; where p is uniform, Brownian motion.

    Args:
        space: its reference measure must have a density that can be differentiated.
        rate: beta.
        first: the earliest time that is trained at, and where sampling stops.
        steps: number of steps of the geodesic random walk that noises.

    Raises:
        ValueError: `first` is not between 0 and 1, or there are no steps.
    """

    needs_compact = False
    towards = Process.towards  # the forward transition, and so its score, is not known

    def __init__(self, space: Space, rate: Rate, first: float = 1e-3, steps: int = 100) -> None:
        super().__init__(space, rate, first, steps)

    def forward_drift(
        self, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        def log_density(x: Tensor) -> Tensor:
            return self.space.log_density(x).sum()

        # Of torch.func, so that the divergence of the drift can be taken in turn.
        with torch.enable_grad():
            slope = torch.func.grad(log_density)(x)
        return like(self.rate(t) / 2, x) * self.space.gradient(x, slope)

    def noise(
        self, latent: Float[Tensor, "n ..."], t: Float[Tensor, " n"], generator: Generators = None
    ) -> Float[Tensor, "n ..."]:
        """A walk of Euler steps on a uniform grid from 0 to t, rates read in the middle of each."""
        x, step = latent, t / self.steps
        for number in range(self.steps):
            now = (number + 0.5) * step
            std = like((self.rate(now) * step).sqrt(), x)
            drift = like(step, x) * self.forward_drift(x, now)
            x = self.space.exp(x, drift + std * self.space.random_tangent(x, generator))
        return x
