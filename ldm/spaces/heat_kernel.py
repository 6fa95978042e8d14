"""The distribution of Brownian motion on a space."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators

__all__ = ["HeatKernel"]


class HeatKernel(ABC):
    """The distribution of Brownian motion of accumulated variance s per unit tangent direction.

    `K_s` solves `dK/ds = 1/2 Laplacian K` from a point mass; for small s it is `N(0, s I)` in
    normal coordinates. One number `s` a sample; densities are against the Riemannian volume.

    `s` is positive, and may be infinite where the space is compact: then the distribution is
    uniform. At `s = 0` draws are the origins, but density and score are NaN or infinite. For a
    negative `s`, or NaN, everything is NaN, or refused.
    """

    @abstractmethod
    def log_density(
        self, x: Float[Tensor, "n ..."], origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """`log K_s(x | origin)`, nats."""

    @abstractmethod
    def score(
        self, x: Float[Tensor, "n ..."], origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        """The gradient of `log K_s(x | origin)` in `x`, a tangent vector there."""

    @abstractmethod
    def sample(
        self, origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"], generator: Generators = None
    ) -> Float[Tensor, "n ..."]:
        """One draw of `K_s` from each origin."""
