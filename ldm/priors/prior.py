"""A distribution over latents."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from ldm.randomness import Generators
from ldm.samplers import Guidance, Likelihood, Sampler
from ldm.spaces import Space

__all__ = ["Prior"]


class Prior(nn.Module, ABC):
    """A distribution over a tokenizer's normalised latents, to train and to sample from."""

    space: Space
    """Where the latents live; it must equal the tokenizer's."""

    network_calls: int = 0
    """Network calls of the last `sample` or `log_prob`; a guided call is one call."""

    @abstractmethod
    def loss(
        self,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> dict[str, Float[Tensor, " n"]]:
        """Named losses, one number a sample; their sum is minimised."""

    @abstractmethod
    def probe(
        self, latent: Float[Tensor, "n ..."], condition: dict[str, Tensor]
    ) -> Float[Tensor, "n ..."]:
        """The network's output on latents, whatever it means; works on the meta device."""

    @abstractmethod
    def check_output(self, shape: Sequence[int]) -> None:
        """Refuse a network whose output on a batch has this shape.

        Raises:
            ValueError: the prior cannot read it.
        """

    @abstractmethod
    def sample(
        self,
        n: int,
        condition: dict[str, Tensor],
        sampler: Sampler,
        generator: Generators = None,
        guidance: Guidance | None = None,
    ) -> Float[Tensor, "n ..."]:
        """Draw `n` normalised latents."""

    def log_prob(
        self,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        likelihood: Likelihood,
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        """Log density of normalised latents, nats.

        Raises:
            ValueError: the prior has none.
        """
        raise ValueError(f"a {type(self).__name__} has no log density")
