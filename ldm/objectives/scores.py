"""The base class of all kinds of score matching: from network outputs to scores."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from ldm.objectives.objective import Objective, tangent_field
from ldm.processes import Brownian, Score
from ldm.tensors import like

__all__ = ["ScoreMatching"]


class ScoreMatching(Objective):
    """Reads the output, projected on the tangent space, as the score times a scale.

    `score = output / scale + 2 b / beta` with b the forward drift: a zero network gives zero
    velocity of the probability flow (without a drift, the score of the uniform distribution).

    Args:
        scale: `sigma`, the standard deviation sqrt(s) (Lou et al. 2023), or `std`,
            sqrt(1 - exp(-s)), which stays below 1 (De Bortoli et al. 2022).
    """

    prediction = Score

    def __init__(self, scale: Literal["sigma", "std"] = "std") -> None:
        if scale not in ("sigma", "std"):
            raise ValueError(f"scale is sigma or std, got {scale!r}")
        self.scale = scale

    def scale_at(self, process: Brownian, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """The factor from the score to the network's output."""
        s = process.variance(t)
        return s.sqrt() if self.scale == "sigma" else (-(-s).expm1()).sqrt()

    def read(
        self, output: Tensor, process: Brownian, noisy: Float[Tensor, "n ..."], t: Tensor
    ) -> Score:
        field = tangent_field(output, process, noisy)
        forward = process.forward_drift(noisy, t) * like(2 / process.rate(t), noisy)
        return Score(field / like(self.scale_at(process, t), noisy) + forward)
