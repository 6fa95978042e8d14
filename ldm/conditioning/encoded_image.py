"""Images that a prior's own tokenizer encodes, such as those to inpaint."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from data import Batch
from ldm.conditioning.condition import Condition

__all__ = ["EncodedImage"]


class EncodedImage(Condition):
    """An image as normalised latents, and masks on their grid; zeros are the null condition.

    A network reads them under the key of the image, as channels of one array. Of a posterior it is
    the mode, so that a latent cache can store them. Source: Rombach et al. 2022, section 4.5.

    Args:
        tokenizer: that of the prior's latents; it is not trained, and in no checkpoint of a prior.
        shape: of the image in a batch, `(channels, height, width)`.
        masks: how many of its last channels are masks; the others are an image.
        rate: probability of dropping an image in training; 0 for one that is always given.

    Raises:
        ValueError: latents have no grid.
    """

    def __init__(
        self, tokenizer: Any, shape: Sequence[int], masks: int = 1, rate: float = 0.0
    ) -> None:
        super().__init__(rate)
        channels, *grid = tokenizer.space.shape
        if len(grid) != len(shape) - 1 or not tokenizer.space.linear:
            raise ValueError(
                f"images are encoded to latents on a flat grid, and these are of {tokenizer.space}"
            )
        self.tokenizer, self.masks, self.blank = tokenizer, masks, False
        self.shape = (channels + masks, *grid)

    @torch.no_grad()
    def entries(self, key: str, batch: Batch) -> Batch:
        image = batch[key]
        if tuple(image.shape[1:]) == self.shape:  # encoded already
            return {key: image}
        if self.blank:
            return {key: image.new_zeros(len(image), *self.shape)}
        x, masks = image.split([image.shape[1] - self.masks, self.masks], 1)
        raw = self.tokenizer.encode({"x": x}).raw
        latent = self.tokenizer.standardize(self.tokenizer.bottleneck.mode(raw)).float()
        return {key: torch.cat([latent, interpolate(masks, size=self.shape[1:])], 1)}

    def null(self, value: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        return torch.zeros_like(value)

    def example(self, n: int) -> Float[Tensor, "n ..."]:
        return torch.zeros(n, *self.shape)

    def brief(self) -> "EncodedImage":
        brief = copy.copy(self)
        brief.blank = True
        return brief

    @property
    def identity(self) -> str:
        """A word for what is stored beside latents, whose key has the hash of the tokenizer."""
        return f"encoded_{self.masks}"
