"""Two-way bridge matching: regression on the drifts of bridges, no heat kernel needed.

Source: Jo and Hwang, "Generative Modeling on Manifolds Through Mixture of Riemannian Diffusion
Processes", 2024, section 4.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from ldm.objectives.objective import Objective, tangent_field
from ldm.processes import DiffusionMixture, Drifts
from ldm.randomness import Generators

__all__ = ["BridgeMatching"]


class BridgeMatching(Objective):
    """`E w(t) 1/2 (|f - bridge's drift|^2 + |b - reversed bridge's drift|^2)`.

    The network's output is f before b along the feature axis of a point, as that of
    `ldm.networks.points.pair` is.
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
        origin = space.random(len(latent), generator, latent.device, latent.dtype)
        x = process.bridge(origin, latent, t, generator)
        found = self.read(predict(x, t, **condition), process, x, t)
        targets = process.targets(x, origin, latent, t)
        errors = (drift - target for drift, target in zip(found, targets, strict=True))
        return process.weight(t) * sum(space.inner(x, error, error) for error in errors) / 2

    def read(
        self, output: Tensor, process: DiffusionMixture, noisy: Float[Tensor, "n ..."], t: Tensor
    ) -> Drifts:
        axis = 1 + process.space.feature_axis
        if output.shape[axis] != 2 * noisy.shape[axis]:
            raise ValueError(
                f"the network gives {tuple(output.shape[1:])} for points of "
                f"{tuple(noisy.shape[1:])}: two drifts, one after the other, were expected, as "
                f"ldm.networks.points.pair.Pair gives them"
            )
        pair = output.chunk(2, dim=axis)
        return Drifts(*(tangent_field(drift, process, noisy) for drift in pair))
