"""Predictions from noisy latents, in the form that processes need, whatever the network outputs.

Every expectation is linear in the network's output at one point, so guidance may extrapolate it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor

__all__ = [
    "Denoised",
    "DenoisedVariance",
    "Drift",
    "Drifts",
    "Prediction",
    "Score",
    "Velocity",
    "combined",
]

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


class DenoisedVariance(NamedTuple):
    """`Denoised`, and the variance of a step of a discrete diffusion.

    Attributes:
        x0, eps: as of `Denoised`.
        share: of log beta in the logarithm of the variance; the rest is that of the posterior's
            (Nichol and Dhariwal 2021, equation 15).
    """

    x0: Float[Tensor, "n ..."]
    eps: Float[Tensor, "n ..."]
    share: Float[Tensor, "n ..."]


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


def combined(found: Any, other: Any, combine: Callable[[Tensor, Tensor], Tensor]) -> Any:
    """Combine the expectations of two predictions; a variance stays that of the first."""
    names = [name for name in found._fields if name != "share"]
    pairs = {name: combine(getattr(found, name), getattr(other, name)) for name in names}
    return found._replace(**pairs)
