"""The base class of priors, distributions over latents."""

from abc import ABC, abstractmethod

from jaxtyping import Float, Num
from torch import Tensor, nn

from ldm.conditioning import Conditioning
from ldm.randomness import Generators
from ldm.samplers import Guidance, Likelihood, Sampler
from ldm.spaces import Space

__all__ = ["Prior"]


class Prior(nn.Module, ABC):
    """A distribution over a tokenizer's normalised latents, to train and to sample from."""

    space: Space
    """Space of the latents; it must equal the tokenizer's."""

    conditioning: Conditioning | None = None
    """Conditions that the prior reads; None if it reads them in a way of its own."""

    network_calls: int = 0
    """Network calls of the last `sample` or `log_prob`; a guided call is one call."""

    @abstractmethod
    def loss(
        self,
        latent: Num[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> dict[str, Float[Tensor, " n"]]:
        """Named losses, one value per sample; their sum is minimised."""

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
            n: number of latents.
            condition: conditions of the latents, each value with `n` rows.
            sampler: solver from noise to data; None if the prior needs none.
            generator: of all randomness; a list with one per sample makes each sample independent
                of its batch.
            guidance: classifier-free guidance; None for the conditional model.
        """

    def brief(self) -> "Prior":
        """Copy of the prior whose process is simulated in few steps, for checks only."""
        return self

    def example(self, n: int) -> dict[str, Tensor]:
        """Example conditions of `n` samples, for checks; empty if the prior reads none."""
        return {}

    def rehearse(
        self, condition: dict[str, Tensor], sampler: Sampler | None, guidance: Guidance | None
    ) -> None:
        """Check cheaply that the prior supports this sampler and guidance.

        Raises:
            ValueError: it does not.
        """

    def log_prob(
        self,
        latent: Num[Tensor, "n ..."],
        condition: dict[str, Tensor],
        likelihood: Likelihood,
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        """Log density of normalised latents, in nats.

        Raises:
            ValueError: the prior has no log density.
        """
        raise ValueError(f"a {type(self).__name__} has no log density")
