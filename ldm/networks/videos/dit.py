"""Diffusion transformers on the latents of clips, with the blocks of those of images.

Attention is either full, among all tokens of a clip, or factorised: blocks attend in turn among the
tokens of a frame, and among those of a place over time (Ho et al. 2022, "Video diffusion models";
Ma et al. 2024, "Latte: latent diffusion transformer for video generation", variant 1). Sizes,
initial weights and conditions are those of the transformers of images.
"""

from collections.abc import Sequence
from typing import Literal

from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from ldm.networks.images.dit import DiT
from ldm.networks.images.lightningdit import LightningDiT

__all__ = ["SpaceTimeDiT", "SpaceTimeLightningDiT"]


class SpaceTime(DiT):
    """Grids of frames, rows and columns for a transformer of images.

    Args:
        shape: shape of one latent, `(channels, frames, height, width)`.
        patch: side of the square in a frame that becomes one token.
        patch_frames: consecutive frames of a token.
        attention: `factorised` or `full`.
        **options: of the transformer of images.
    """

    def __init__(
        self,
        shape: Sequence[int] = (4, 16, 32, 32),
        patch: int = 2,
        patch_frames: int = 1,
        attention: Literal["factorised", "full"] = "factorised",
        **options,
    ) -> None:
        self.patch_frames, self.factorised = patch_frames, attention == "factorised"
        super().__init__(shape, patch, **options)

    def patch_sides(self, patch: int) -> tuple[int, ...]:
        return self.patch_frames, patch, patch

    def step(
        self,
        number: int,
        h: Float[Tensor, "b n d"],
        condition: Float[Tensor, "b d"],
        *told: Float[Tensor, "k n features"],
    ) -> Float[Tensor, "b n d"]:
        """Tokens after a block, told what all clips share of each token.

        If attention is factorised, even blocks see frames, and odd ones places over time.
        """
        if not self.factorised:
            return super().step(number, h, condition, *told)
        frames, b = self.grid[0], len(h)
        told = tuple(one.unflatten(1, (frames, -1)) for one in told)
        if number % 2:
            h, told = rearrange(h, "b (t s) d -> (b s) t d", t=frames), [x[:, :, 0] for x in told]
        else:
            h, told = rearrange(h, "b (t s) d -> (b t) s d", t=frames), [x[:, 0] for x in told]
        h = super().step(number, h, condition.repeat_interleave(len(h) // b, 0), *told)
        if number % 2:
            return rearrange(h, "(b s) t d -> b (t s) d", b=b)
        return rearrange(h, "(b t) s d -> b (t s) d", b=b)


class SpaceTimeDiT(SpaceTime, DiT):
    """A `DiT` that denoises the latents of clips, conditioned on the time and, optionally, a class.

    At initialisation the output is zero and every block is the identity. The position embedding is
    the sum of that of images and one of the frame.

    Args:
        shape: shape of one latent, `(channels, frames, height, width)`.
        patch: side of the square in a frame that becomes one token.
        patch_frames: consecutive frames of a token.
        attention: `factorised` or `full`.
        **options: of `DiT`.

    Raises:
        ValueError: as `DiT`, or the frames are no multiple of `patch_frames`.

    Example:
        >>> import torch
        >>> dit = SpaceTimeDiT.sized("S/2", shape=[4, 2, 8, 8], learn_sigma=False)
        >>> dit(torch.zeros(1, 4, 2, 8, 8), torch.tensor([3.0])).shape
        torch.Size([1, 4, 2, 8, 8])
    """


class SpaceTimeLightningDiT(SpaceTime, LightningDiT):
    """A `LightningDiT` that denoises the latents of clips.

    Rotary embedding turns features by the frame, the row and the column; blocks that attend over
    time, or in a frame, see the turns along those axes alone.

    Args:
        shape: shape of one latent, `(channels, frames, height, width)`.
        patch: side of the square in a frame that becomes one token.
        patch_frames: consecutive frames of a token.
        attention: `factorised` or `full`.
        **options: of `LightningDiT`.

    Raises:
        ValueError: as `LightningDiT`, or the frames are no multiple of `patch_frames`.

    Example:
        >>> import torch
        >>> dit = SpaceTimeLightningDiT.sized("B/1", shape=[16, 2, 4, 4])
        >>> dit(torch.zeros(1, 16, 2, 4, 4), torch.tensor([0.5])).shape
        torch.Size([1, 16, 2, 4, 4])
    """
