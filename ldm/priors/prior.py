"""A distribution over latents."""

from abc import ABC, abstractmethod

from jaxtyping import Float, Num
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
        latent: Num[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> dict[str, Float[Tensor, " n"]]:
        """Named losses, one number a sample; their sum is minimised."""

    @abstractmethod
    def sample(
        self,
        n: int,
        condition: dict[str, Tensor],
        sampler: Sampler | None,
        generator: Generators = None,
        guidance: Guidance | None = None,
    ) -> Num[Tensor, "n ..."]:
        """Draw `n` normalised latents, or codes.

        Args:
            n: how many.
            condition: what they are to be, each value with `n` rows.
            sampler: the walk from noise to data; None where the prior needs none.
            generator: of all randomness; one for each sample where samples must not depend on
                which others are drawn beside them.
            guidance: how conditions are exaggerated; None for not at all.
        """

    def brief(self) -> "Prior":
        """The same prior, its process simulated in few steps: to try it out, not to train it."""
        return self

    def example(self, n: int) -> dict[str, Tensor]:
        """Conditions of `n` samples, to try the prior with; none where it reads none of its own."""
        return {}

    def rehearse(
        self, condition: dict[str, Tensor], sampler: Sampler | None, guidance: Guidance | None
    ) -> None:
        """Find out in no time whether the prior can be sampled like this.

        Raises:
            ValueError: sampler or guidance do not fit the prior.
        """

    def log_prob(
        self,
        latent: Num[Tensor, "n ..."],
        condition: dict[str, Tensor],
        likelihood: Likelihood,
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        """Log density of normalised latents, nats.

        Raises:
            ValueError: the prior has none.
        """
        raise ValueError(f"a {type(self).__name__} has no log density")
