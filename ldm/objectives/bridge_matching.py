"""Two-way bridge matching: regression on the drifts of bridges, no heat kernel needed.

Source: Jo and Hwang, "Generative Modeling on Manifolds Through Mixture of Riemannian Diffusion
Processes", 2024, section 4.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from ldm.objectives.objective import Objective
from ldm.processes import DiffusionMixture, Drifts
from ldm.randomness import Generators

__all__ = ["BridgeMatching"]


class BridgeMatching(Objective):
    """`E w(t) 1/2 (|f - bridge's drift|^2 + |b - reversed bridge's drift|^2)`.

    The network's output is f above b along the first axis of a point (`ldm.networks.pair`).
    """

    prediction = Drifts

    def loss(
        self,
        predict: Callable[..., Tensor],
        process: DiffusionMixture,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        space = process.space
        t = process.random_times(len(latent), generator, latent.device)
        origin = process.space.random(len(latent), generator, latent.device, latent.dtype)
        x = process.bridge(origin, latent, t, generator)
        found = self.read(predict(x, t, **condition), process, x, t)
        total = 0.0
        for drift, target in zip(found, process.targets(x, origin, latent, t), strict=True):
            total = total + space.inner(x, drift - target, drift - target) / 2
        return process.weight(t) * total

    def read(
        self, output: Tensor, process: DiffusionMixture, noisy: Float[Tensor, "n ..."], t: Tensor
    ) -> Drifts:
        forward, backward = output.to(noisy.dtype).chunk(2, dim=1)
        return Drifts(process.space.tangent(noisy, forward), process.space.tangent(noisy, backward))
