"""A distribution over latents."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from ldm.randomness import Generators
from ldm.samplers import Guidance, Sampler
from ldm.spaces import Space

__all__ = ["Prior"]


class Prior(nn.Module, ABC):
    """What is trained on a tokenizer's normalised latents, and sampled from."""

    space: Space
    """Where the latents live; it must equal the tokenizer's."""

    network_calls: int = 0
    """How often the last `sample` called the network; a guided call on a doubled batch is one."""

    @abstractmethod
    def loss(
        self,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> dict[str, Float[Tensor, " n"]]:
        """Named losses, one number a sample; their sum is minimised."""

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
