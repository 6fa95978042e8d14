"""Flow matching: regression on the velocity of random paths to data.

Source: Chen and Lipman, "Flow Matching on General Geometries", 2024, section 3.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from ldm.objectives.objective import Objective, tangent_field
from ldm.processes import Flow, Velocity
from ldm.randomness import Generators

__all__ = ["FlowMatching"]


class FlowMatching(Objective):
    """`E |v(x_t, t) - dx_t/dt|^2 / D` in the metric, D the entries of a point (3 on the sphere)."""

    prediction = Velocity

    def loss(
        self,
        predict: Callable[..., Tensor],
        process: Flow,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        x, t, velocity = process.examples(latent, generator)
        times = len(x) // len(latent)
        repeated = {key: value.repeat_interleave(times, 0) for key, value in condition.items()}
        if times > 1:
            process = process.on(repeated)
        error = self.read(predict(x, t, **repeated), process, x, t).velocity - velocity
        loss = process.space.inner(x, error, error) / process.space.entries
        return loss.view(len(latent), times).mean(1)

    def read(
        self, output: Tensor, process: Flow, noisy: Float[Tensor, "n ..."], t: Tensor
    ) -> Velocity:
        return Velocity(tangent_field(output, process, noisy))
