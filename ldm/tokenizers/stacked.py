"""The composition of two tokenizers."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from data import Batch
from ldm.bottlenecks import Encoded
from ldm.randomness import Generators
from ldm.spaces import Space
from ldm.tokenizers.tokenizer import Context, Tokenizer

__all__ = ["Stacked"]


class Stacked(Tokenizer):
    """Two tokenizers as one: the second encodes the normalised latents of the first.

    Args:
        first: tokenizer of data, already trained.
        second: tokenizer of the first one's normalised latents.

    Example:
        >>> import torch
        >>> from ldm.spaces import Flat
        >>> from ldm.tokenizers import Identity
        >>> both = Stacked(Identity(Flat([2])), Identity(Flat([2])))
        >>> both.decode(both.encode({"x": torch.ones(1, 2)}).latent)["x"]
        tensor([[1., 1.]])
    """

    def __init__(self, first: Tokenizer, second: Tokenizer) -> None:
        nn.Module.__init__(self)
        self.first, self.second = first, second
        self.bottleneck, self.latents = second.bottleneck, second.latents
        self.fixed = second.fixed

    @property
    def space(self) -> Space:
        """Space of the second tokenizer's latents, which priors learn."""
        return self.second.space

    @property
    def interface(self) -> dict[str, Any]:
        """Numbers of the second tokenizer's latents."""
        return self.second.interface

    @property
    def measured(self) -> bool:
        """True if the latents of both tokenizers can be normalised."""
        return self.first.measured and self.second.measured

    def encode(self, batch: Batch, generator: Generators = None) -> Encoded:
        return self.second.encode(latents_as_data(self.first, batch, generator), generator)

    def decode(
        self, latent: Tensor, context: Context | None = None, generator: Generators = None
    ) -> Batch:
        middle = self.second.decode(latent, context, generator)["x"]
        return self.first.decode(self.first.denormalize(middle, context), context, generator)

    def normalize(
        self, raw: Tensor, generator: Generators = None, context: Context | None = None
    ) -> Tensor:
        return self.second.normalize(raw, generator, context)

    def denormalize(self, latent: Tensor, context: Context | None = None) -> Tensor:
        return self.second.denormalize(latent, context)

    def reconstruct(self, batch: Batch) -> tuple[Batch, Encoded]:
        middle, encoded = self.second.reconstruct(latents_as_data(self.first, batch))
        latent = self.first.denormalize(middle["x"], encoded.context)
        return self.first.decode(latent, encoded.context), encoded

    def log_volume_change(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        first = self.first.encode({"x": x})
        middle = self.first.normalize(first.raw, None, first.context)
        return self.first.log_volume_change(x) + self.second.log_volume_change(middle)


def latents_as_data(tokenizer: Tokenizer, batch: Batch, generator: Generators = None) -> Batch:
    """Replace `x` of a batch by its normalised latents."""
    encoded = tokenizer.encode(batch, generator)
    latent = tokenizer.normalize(encoded.raw, generator, encoded.context)
    return {**batch, **encoded.context, "x": latent}
