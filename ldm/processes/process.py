"""How a latent is noised."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators, normal
from ldm.spaces import Space
from ldm.spaces.space import like

__all__ = ["GaussianProcess", "Process"]


class Process(ABC):
    """A family of laws on one space, from the data's to one that is easy to draw from.

    Args:
        space: where the latents live; it must be the tokenizer's.
    """

    def __init__(self, space: Space) -> None:
        self.space = space

    @abstractmethod
    def random_times(self, n: int, generator: Generators, device) -> Tensor:
        """Times `(n,)` to train at, in the unit that the backbone reads."""

    @abstractmethod
    def noise(
        self, latent: Float[Tensor, "n ..."], t: Tensor, generator: Generators = None
    ) -> Float[Tensor, "n ..."]:
        """Draw from the forward transition of each latent to its time."""


class GaussianProcess(Process):
    """Processes with `x_t = alpha_t x_0 + sigma_t eps` and `eps` standard normal.

    Raises:
        ValueError: sums of the space's points are no points of it.
    """

    def __init__(self, space: Space) -> None:
        if not space.linear:
            raise ValueError(
                f"{type(self).__name__} adds noise to points, which would leave {space}: choose a "
                f"process of that space, or latents in a flat one"
            )
        super().__init__(space)

    @abstractmethod
    def alpha_sigma(self, t: Tensor) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """Signal and noise scale at each time."""

    def alpha_sigma_rate(self, t: Tensor) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """Time derivatives of `alpha_sigma`, of a flow.

        Raises:
            ValueError: the process runs in discrete steps and has none.
        """
        raise ValueError(
            f"{type(self).__name__} has no velocity: predict eps, x0 or v and sample with a "
            f"Scheduler, or set the process to a flow"
        )

    def mix(
        self, latent: Float[Tensor, "n ..."], eps: Float[Tensor, "n ..."], t: Tensor
    ) -> Float[Tensor, "n ..."]:
        """`alpha_t latent + sigma_t eps`."""
        alpha, sigma = (like(scale, latent) for scale in self.alpha_sigma(t))
        return alpha * latent + sigma * eps

    def noise(
        self, latent: Float[Tensor, "n ..."], t: Tensor, generator: Generators = None
    ) -> Float[Tensor, "n ..."]:
        eps = normal(latent.shape, generator, latent.device, latent.dtype)
        return self.mix(latent, eps, t)
