"""Networks that predict coordinates in a frame of the tangent space, not ambient vectors."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from ldm.objectives.objective import Objective
from ldm.processes import Prediction, Process
from ldm.randomness import Generators

__all__ = ["InFrame"]


class InFrame(Objective):
    """Another objective, whose network gives `dim` numbers that `space.frame` makes tangent.

    The frame is orthonormal, so outputs of one size are fields of one length: in the Poincaré ball
    it is that at the origin, carried to the point (RSGM's transport head) and the unit of the
    metric there (flow matching's metric normalisation), which near the rim is far from that of
    coordinates. For a continuous field the frame has to be continuous: those of the hyperboloid,
    the ball, positive definite matrices, groups and flat spaces are, a sphere's cannot be.

    Args:
        objective: one that reads ambient vectors.

    Raises:
        ValueError: on use, the network's output is not one number for each direction.

    Example:
        >>> import torch
        >>> from ldm.objectives import FlowMatching
        >>> from ldm.processes import GeodesicFlow
        >>> from ldm.spaces import PoincareBall
        >>> one, flow = torch.ones(1, 2), GeodesicFlow(PoincareBall(2))
        >>> InFrame(FlowMatching()).read(one, flow, 0 * one, torch.zeros(1)).velocity
        tensor([[0.5000, 0.5000]])
    """

    def __init__(self, objective: Objective) -> None:
        self.objective, self.prediction = objective, objective.prediction

    def check(self, process: Process) -> None:
        self.objective.check(process)

    def loss(
        self,
        predict: Callable[..., Tensor],
        process: Process,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        def field(noisy: Tensor, t: Tensor, **condition: Tensor) -> Tensor:
            return self._field(predict(noisy, t, **condition), process, noisy)

        return self.objective.loss(field, process, latent, condition, generator)

    def read(
        self, output: Tensor, process: Process, noisy: Float[Tensor, "n ..."], t: Tensor
    ) -> Prediction:
        return self.objective.read(self._field(output, process, noisy), process, noisy, t)

    def _field(self, output: Tensor, process: Process, noisy: Tensor) -> Tensor:
        if output.shape != (len(noisy), process.space.dim):
            raise ValueError(
                f"the network gives {tuple(output.shape[1:])} in {process.space}: it must give "
                f"{process.space.dim} coordinates of a tangent vector, one for each direction"
            )
        return process.space.frame(noisy, output.to(noisy.dtype))
