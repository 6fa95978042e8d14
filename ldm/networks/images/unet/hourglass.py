"""The blocks of a U-Net, from one convolution to another, whatever they are told."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.images.layers import group_norm
from ldm.networks.images.unet.attention import zero
from ldm.networks.images.unet.levels import Block, DownLevel, Style, UpLevel
from ldm.networks.images.unet.residual import EPS

__all__ = ["Hourglass"]

LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}
"""Memory formats of images and of clips in which convolutions are fastest."""


class Hourglass(nn.Module):
    """Levels down to the coarsest grid, and up again beside what was kept on the way down.

    A new network gives zero. Training may compile `down`, `middle` and `up`.
    """

    def build(
        self,
        style: Style,
        inputs: int,
        outputs: int,
        width: int,
        multipliers: Sequence[int],
        blocks: int,
        attention: Sequence[int],
    ) -> None:
        """Build the layers.

        Args:
            style: of all blocks.
            inputs, outputs: channels that are read and given.
            width, multipliers, blocks, attention: see `ldm.networks.images.unet.UNet`.
        """
        self.style, self.downsampling = style, 2 ** (len(multipliers) - 1)
        self.conv_in = style.conv(inputs, width, 3, padding=1)
        wide = [width * multiplier for multiplier in multipliers]
        attends = [2**level in attention for level in range(len(wide))]
        self.down = nn.ModuleList(self._down(width, wide, blocks, attends))
        self.middle = nn.ModuleList(
            Block(style, wide[-1], wide[-1], attends) for attends in (True, False)
        )
        self.up = nn.ModuleList(self._up(width, wide, blocks, attends))
        self.norm_out = group_norm(wide[0], eps=EPS)
        self.conv_out = zero(style.conv(wide[0], outputs, 3, padding=1))
        self.to(memory_format=LAYOUTS[self.conv_in.weight.ndim])

    def _down(
        self, width: int, wide: Sequence[int], blocks: int, attends: Sequence[bool]
    ) -> Iterator[DownLevel]:
        for level, channels in enumerate(wide):
            chain = [width if level == 0 else wide[level - 1], *[channels] * blocks]
            layers = [Block(self.style, i, o, attends[level]) for i, o in pairwise(chain)]
            last = level == len(wide) - 1
            yield DownLevel(layers, None if last else self.style.down(channels))

    def _up(
        self, width: int, wide: Sequence[int], blocks: int, attends: Sequence[bool]
    ) -> Iterator[UpLevel]:
        """Build the levels in the order in which they run, the coarsest first."""
        before = wide[-1]
        for level, channels in reversed(list(enumerate(wide))):
            # Kept on the way down: the features of the blocks, and what this level began with.
            kept = [*[channels] * blocks, width if level == 0 else wide[level - 1]]
            inputs = [h + k for h, k in zip([before, *[channels] * blocks], kept, strict=True)]
            layers = [Block(self.style, i, channels, attends[level]) for i in inputs]
            yield UpLevel(layers, self.style.up(channels) if level else None)
            before = channels

    def through(self, x: Float[Tensor, "b _ ..."], *told: Tensor | None) -> Float[Tensor, "b ..."]:
        """Output of all layers; blocks are told the time embedding, a context and its mask."""
        h = self.conv_in(x.contiguous(memory_format=LAYOUTS[x.ndim]))
        kept = [h]
        for level in self.down:
            kept += level(kept[-1], *told)
        h = kept[-1]
        for block in self.middle:
            h = block(h, *told)
        for level in self.up:
            h = level(h, [kept.pop() for _ in level.layers], *told)
        return self.conv_out(F.silu(self.norm_out(h))).contiguous()
