"""Encoder and decoder of a plain causal video VAE, 4 x 8 x 8 times coarser.

The autoencoder of latent diffusion (Rombach et al. 2022, KL f8) with causal convolutions of clips
in place of those of images, as Chen et al. 2024 (OD-VAE) and others inflate it: what WF-VAE is
measured against.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.videos.causal import CausalConv3d, Chain, Stream, in_chunks
from ldm.networks.videos.causal_layers import (
    NORMS,
    CausalDownsample,
    CausalUpsample,
    FrameAttention,
    FrameDownsample,
    FrameUpsample,
    ResidualBlock,
    check_chunks,
    check_clip,
)

__all__ = ["Decoder", "Encoder"]

Clip = Float[Tensor, "b _ _ _ _"]  # channels, frames, height, width
FRAMES, SIDES = 4, 8  # of data, per one of a latent


class Encoder(nn.Module):
    """Encoder from clips to features on a grid 4 x 8 x 8 times coarser.

    Args:
        in_channels: of the clips.
        out_channels: that the bottleneck expects: twice the latent channels.
        width: channels of the first convolution.
        multipliers: channels of each of four levels divided by `width`, finest first.
        blocks: residual blocks per level.
        norm: "layer", or "group", whose chunks would not equal the whole clip.
        chunk: latents that are computed at a time outside of training, after the first; None for
            all at once. The result is the same.

    Raises:
        ValueError: there are not four levels; chunks are not possible with this norm; or a clip has
            not 1 + 4 k frames, or its sides are not multiples of 8.

    Example:
        >>> import torch
        >>> Encoder(width=8)(torch.zeros(1, 3, 9, 16, 16)).shape
        torch.Size([1, 8, 3, 2, 2])
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 8,
        width: int = 128,
        multipliers: Sequence[int] = (1, 2, 4, 4),
        blocks: int = 2,
        norm: str = "layer",
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        check_chunks(norm, chunk)
        self.chunk = chunk
        widths = level_widths(width, multipliers)
        smaller = (CausalDownsample, FrameDownsample, CausalDownsample)
        self.conv_in = CausalConv3d(in_channels, width)
        self.levels = Chain()
        for (narrow, wide), down in zip(pairwise([width, *widths]), (*smaller, None), strict=True):
            self.levels.extend(residual_blocks(narrow, wide, blocks, norm))
            self.levels.extend([] if down is None else [down(wide)])
        self.mid = middle(widths[-1], norm)
        self.norm_out = NORMS[norm](widths[-1])
        self.conv_out = CausalConv3d(widths[-1], out_channels)

    def forward(self, x: Clip) -> Clip:
        check_clip(x, FRAMES, SIDES)
        whole = self.training or self.chunk is None
        return in_chunks(self._chunk, x, None if whole else FRAMES * self.chunk)

    def _chunk(self, x: Clip, stream: Stream) -> Clip:
        h = self.mid(self.levels(self.conv_in(x, stream), stream), stream)
        return self.conv_out(F.silu(self.norm_out(h)), stream)


class Decoder(nn.Module):
    """Decoder from latents to clips; it has one residual block more per level than the encoder.

    Args:
        in_channels: of the latents.
        out_channels: of the clips.
        width, multipliers, blocks, norm, chunk: see `Encoder`.

    Raises:
        ValueError: there are not four levels; or chunks are not possible with this norm.

    Example:
        >>> import torch
        >>> Decoder(4, 3, width=8)(torch.zeros(1, 4, 3, 2, 2)).shape
        torch.Size([1, 3, 9, 16, 16])
    """

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 3,
        width: int = 128,
        multipliers: Sequence[int] = (1, 2, 4, 4),
        blocks: int = 2,
        norm: str = "layer",
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        check_chunks(norm, chunk)
        self.chunk = chunk
        widths = level_widths(width, multipliers)[::-1]
        larger = (CausalUpsample, FrameUpsample, CausalUpsample)
        self.conv_in = CausalConv3d(in_channels, widths[0])
        self.mid = middle(widths[0], norm)
        self.levels = Chain()
        pairs = pairwise([widths[0], *widths])
        for (wide, narrow), up in zip(pairs, (*larger, None), strict=True):
            self.levels.extend(residual_blocks(wide, narrow, blocks + 1, norm))
            self.levels.extend([] if up is None else [up(narrow)])
        self.norm_out = NORMS[norm](width)
        self.conv_out = CausalConv3d(width, out_channels)

    @property
    def last_layer(self) -> Tensor:
        """Weight at which the gradients of reconstruction and adversarial loss are compared."""
        return self.conv_out.weight

    def forward(self, z: Clip) -> Clip:
        return in_chunks(self._chunk, z, None if self.training else self.chunk)

    def _chunk(self, z: Clip, stream: Stream) -> Clip:
        h = self.levels(self.mid(self.conv_in(z, stream), stream), stream)
        return self.conv_out(F.silu(self.norm_out(h)), stream)


def level_widths(width: int, multipliers: Sequence[int]) -> list[int]:
    """Return the channels of each level, finest first; refuse other than four levels."""
    if len(multipliers) != 4 or multipliers[0] != 1:
        raise ValueError(f"four multipliers are needed, the first of them 1, got {[*multipliers]}")
    return [width * multiplier for multiplier in multipliers]


def residual_blocks(first: int, channels: int, count: int, norm: str) -> list[ResidualBlock]:
    """Build the blocks of a level, of which the first changes the channels."""
    widths = pairwise([first, *[channels] * count])
    return [ResidualBlock(i, o, norm=norm) for i, o in widths]


def middle(channels: int, norm: str) -> Chain:
    """Build the layers at the coarsest grid."""
    return Chain(
        ResidualBlock(channels, channels, norm=norm),
        FrameAttention(channels, norm),
        ResidualBlock(channels, channels, norm=norm),
    )
