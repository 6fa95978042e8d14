"""The variance-preserving diffusion in continuous time, exact at every time.

Source: Song et al., "Score-Based Generative Modeling through Stochastic Differential Equations",
2021, section 3.4.
"""

from jaxtyping import Float
from torch import Tensor

from ldm.processes.brownian import Brownian
from ldm.processes.rates import Rate
from ldm.randomness import Generators
from ldm.spaces import Space
from ldm.tensors import like

__all__ = ["OrnsteinUhlenbeck"]


class OrnsteinUhlenbeck(Brownian):
    """`dX = -beta/2 X dt + sqrt(beta) dB`, which keeps the standard normal distribution.

    It is Langevin dynamics of a flat space; here its transition is known: with s(t) the integral of
    beta, `X_t = exp(-s/2) X_0 + sqrt(1 - exp(-s)) eps`.

    Args:
        space: a flat one.
        rate: beta.
        first: the earliest time that is trained at, and where sampling stops.

    Raises:
        ValueError: sums of the space's points are no points of it, or `first` is not between 0
            and 1.
    """

    needs_compact = False

    def __init__(self, space: Space, rate: Rate, first: float = 1e-3) -> None:
        if not space.linear:
            raise ValueError(f"{space} is not flat: set the process to Langevin")
        super().__init__(space, rate, first)

    def check_transition(self) -> None:
        """Pass: the transition is known in every linear space."""

    def forward_drift(
        self, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        return -like(self.rate(t) / 2, x) * x

    def noise(
        self, latent: Float[Tensor, "n ..."], t: Float[Tensor, " n"], generator: Generators = None
    ) -> Float[Tensor, "n ..."]:
        eps = self.space.random(len(latent), generator, latent.device, latent.dtype)
        s = self.variance(t)
        return like((-s / 2).exp(), latent) * latent + like((-(-s).expm1()).sqrt(), latent) * eps

    def transition_score(
        self, x: Float[Tensor, "n ..."], latent: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        s = self.variance(t)
        return (like((-s / 2).exp(), x) * latent - x) / like(-(-s).expm1(), x)
