"""Predictions from noisy latents, in the form that processes need, whatever the network outputs.

Every field is linear in the network's output at one point, so guidance may extrapolate it.
"""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

__all__ = ["Denoised", "Drift", "Drifts", "Prediction", "Score", "Velocity"]

Prediction = tuple
"""One of those below; each process states which it needs."""


class Denoised(NamedTuple):
    """The two forms that determine all others where noise is Gaussian.

    Attributes:
        x0: the clean latent, in expectation.
        eps: the noise, in expectation; the score is `-eps / sigma`.
    """

    x0: Float[Tensor, "n ..."]
    eps: Float[Tensor, "n ..."]


class Score(NamedTuple):
    """The prediction where noise is Brownian motion.

    Attributes:
        score: the Riemannian gradient of the log density of noisy latents, tangent there.
    """

    score: Float[Tensor, "n ..."]


class Velocity(NamedTuple):
    """The prediction where latents follow a flow.

    Attributes:
        velocity: of the flow from the base distribution to data, tangent at the noisy latents.
    """

    velocity: Float[Tensor, "n ..."]


class Drift(NamedTuple):
    """The prediction where part of the drift of a random walk to data is known.

    Attributes:
        drift: the rest of it, tangent at the noisy latents.
    """

    drift: Float[Tensor, "n ..."]


class Drifts(NamedTuple):
    """The prediction where latents follow bridges, in both directions of time.

    Attributes:
        forward: drift of the process that leads from the base distribution to the data's.
        backward: drift of its time reversal, both tangent at the noisy latents.
    """

    forward: Float[Tensor, "n ..."]
    backward: Float[Tensor, "n ..."]
