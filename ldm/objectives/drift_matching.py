"""Regression on what the bridges to data add to a known drift.

Source: Nguyen et al., "GLAD: Improving Latent Graph Generative Modeling with Simple Quantization",
2024.
"""

import math
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from ldm.objectives.objective import Objective, tangent_field
from ldm.processes import Drift, LatticeBridge
from ldm.randomness import Generators

__all__ = ["DriftMatching"]


class DriftMatching(Objective):
    """`E |psi(x_t, t) - target|^2 / D`; D counts the entries of empty places, too, as published."""

    prediction = Drift

    def loss(
        self,
        predict: Callable[..., Tensor],
        process: LatticeBridge,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        t = process.random_times(len(latent), generator, latent.device)
        x = process.noise(latent, t, generator)
        found = self.read(predict(x, t, **condition), process, x, t).drift
        error = found - process.target(latent, x, t)
        return process.space.inner(x, error, error) / math.prod(process.space.shape)

    def read(
        self, output: Tensor, process: LatticeBridge, noisy: Float[Tensor, "n ..."], t: Tensor
    ) -> Drift:
        return Drift(tangent_field(output, process, noisy))
