"""A posterior on a manifold: the law of Brownian motion after a short time.

Source: Perez Rey, Menkovski and Portegies, "Diffusion variational autoencoders", 2020.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.bottlenecks.bottleneck import Encoded, Variational
from ldm.bottlenecks.features import full_precision
from ldm.randomness import Generators
from ldm.spaces import Flat, Space
from ldm.spaces.walk import random_walk

__all__ = ["ManifoldPosterior"]


class ManifoldPosterior(Variational):
    """Interprets features as a point y and a time t; latents follow the heat kernel K_t(. | y).

    y is all features but the last, projected to the space; log t is the last one, bounded by a
    tanh. Latents are drawn by a geodesic random walk, differentiable in y and t; the paper projects
    Gaussian steps in the ambient space, which agrees for short steps but needs the ambient metric.
    The prior is uniform, and the loss `kl`, in nats per sample, is the paper's short-time expansion

        KL = -d/2 log(2 pi t) - d/2 + log volume + t/4 Sc(y) + o(t)

    with d the dimension and Sc the scalar curvature. The paper's code has other constants: its KL
    on the flat torus is log 2 pi = 1.84 nats too high, and on SO(3) log 8 = 2.08 nats too low for
    the metric of its random walk.

    `raw` is y, flattened, and log t. Times t are variances per unit tangent direction.

    Args:
        space: compact, of known scalar curvature.
        log_time: lower and upper bound of log t.
        steps: of the random walk.
        flat: declare a flat space and project latents before decoding, for flat priors.

    Raises:
        ValueError: the space is not compact or its curvature is unknown, the bounds are not in
            order, there are no steps, or the features are not one more than a point's coordinates.

    Example:
        >>> from ldm.spaces import Sphere
        >>> posterior = ManifoldPosterior(Sphere(2))
        >>> posterior(torch.tensor([[0.0, 0.0, 2.0, -9.0]])).losses  # t = exp(-7.5)
        {'kl': tensor(7.1934)}
    """

    def __init__(
        self,
        space: Space,
        log_time: Sequence[float] = (-7.5, -5.0),
        steps: int = 10,
        flat: bool = False,
    ) -> None:
        super().__init__()
        if not math.isfinite(space.log_volume):
            raise ValueError(f"a uniform prior needs a compact space, got {space}")
        space.scalar_curvature(space.random(1))  # fail now if it is unknown, not in training
        if not log_time[0] < log_time[1]:
            raise ValueError(f"log_time must be a lower and an upper bound, got {list(log_time)}")
        if steps < 1:
            raise ValueError(f"a random walk needs 1 step or more, got {steps}")
        self.manifold, self.steps = space, steps
        self.space = Flat(space.shape) if flat else space
        self.center = (log_time[1] + log_time[0]) / 2
        self.reach = (log_time[1] - log_time[0]) / 2
        self.in_channels = math.prod(space.shape) + 1

    def forward(self, h: Float[Tensor, "batch features"], generator: Generators = None) -> Encoded:
        h = full_precision(h, self.in_channels)
        location = self.manifold.project(h[:, :-1].unflatten(1, self.manifold.shape))
        log_time = self.center + self.reach * torch.tanh(h[:, -1:])
        raw = torch.cat([location.flatten(1), log_time], 1)
        losses = {"kl": self.divergence(raw).mean()}
        stats = {"log_time": log_time.detach().mean()}
        return Encoded(self.latent(raw, generator), raw, None, losses, stats)

    def latent(
        self, raw: Float[Tensor, "batch features"], generator: Generators = None
    ) -> Float[Tensor, "batch channels *grid"]:
        return random_walk(self.manifold, *self.moments(raw), self.steps, generator)

    def mode(self, raw: Float[Tensor, "batch features"]) -> Float[Tensor, "batch channels *grid"]:
        return self.moments(raw)[0]

    def decodable(
        self, latent: Float[Tensor, "batch channels *grid"]
    ) -> Float[Tensor, "batch channels *grid"]:
        return self.manifold.project(latent)

    def moments(
        self, raw: Float[Tensor, "batch features"]
    ) -> tuple[Float[Tensor, "batch channels *grid"], Float[Tensor, " batch"]]:
        """Location and time of the posterior."""
        return raw[:, :-1].unflatten(1, self.manifold.shape), raw[:, -1].exp()

    def divergence(self, raw: Float[Tensor, "batch features"]) -> Float[Tensor, " batch"]:
        location, t = self.moments(raw)
        d, curvature = self.manifold.dim, self.manifold.scalar_curvature(location)
        entropy = d / 2 * torch.log(2 * math.pi * t) + d / 2 - t / 4 * curvature
        return self.manifold.log_volume - entropy

    def log_ratio(
        self, raw: Float[Tensor, "batch features"], latent: Float[Tensor, "batch channels *grid"]
    ) -> Float[Tensor, " batch"]:
        """Log ratio from the exact heat kernel, in float64."""
        location, t = self.moments(raw.double())
        log_density = self.manifold.heat_kernel.log_density(latent.double(), location, t)
        return log_density + self.manifold.log_volume
