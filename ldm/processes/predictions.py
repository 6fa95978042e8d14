"""What a network may say of noisy latents, whatever it was asked to output.

Every field is linear in the network's output at one point, so guidance may extrapolate it.
"""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

__all__ = ["Denoised", "Drifts", "Prediction", "Score", "Velocity"]

Prediction = tuple
"""One of those below; each process says which it needs."""


class Denoised(NamedTuple):
    """The two forms that determine all others where noise is Gaussian.

    Attributes:
        x0: the clean latent, in expectation.
        eps: the noise, in expectation; the score is `-eps / sigma`.
    """

    x0: Float[Tensor, "n ..."]
    eps: Float[Tensor, "n ..."]


class Score(NamedTuple):
    """Where noise is Brownian motion.

    Attributes:
        score: the Riemannian gradient of the log density of noisy latents, tangent there.
    """

    score: Float[Tensor, "n ..."]


class Velocity(NamedTuple):
    """Where latents flow.

    Attributes:
        velocity: of the flow from the easy law to the data's, tangent at the noisy latents.
    """

    velocity: Float[Tensor, "n ..."]


class Drifts(NamedTuple):
    """Where latents travel along bridges, both ways.

    Attributes:
        forward: drift of the process that leads from the easy law to the data's.
        backward: drift of its time reversal, both tangent at the noisy latents.
    """

    forward: Float[Tensor, "n ..."]
    backward: Float[Tensor, "n ..."]
