"""Levels of the U-Net: blocks at one resolution, on the way down and on the way up."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ldm.networks.images.layers import Upsample
from ldm.networks.images.unet.attention import PixelAttention, SpatialTransformer
from ldm.networks.images.unet.residual import Downsample, ResidualBlock

__all__ = ["Block", "DownLevel", "Style", "UpLevel"]


@dataclass(frozen=True)
class Style:
    """Options that all blocks of a U-Net share.

    Attributes:
        embedding: width of the time embedding.
        context: width of the sequence that pixels attend to; 0 for attention among pixels alone.
        heads, head_width, depth, linear, scale_shift, resample_blocks: see `UNet`.
        conv: builds all convolutions, as `nn.Conv2d` does.

    Raises:
        ValueError: not exactly one of `heads` and `head_width` is given, or it divides no channels.
    """

    embedding: int
    context: int
    heads: int | None
    head_width: int | None
    depth: int
    linear: bool
    scale_shift: bool
    resample_blocks: bool
    conv: ClassVar[Callable[..., nn.Module]] = nn.Conv2d

    def __post_init__(self) -> None:
        if (self.heads is None) == (self.head_width is None):
            raise ValueError(
                f"attention has a number of heads or heads of a width: set one of them, got "
                f"heads={self.heads} and head_width={self.head_width}"
            )

    def residual(self, inputs: int, outputs: int) -> ResidualBlock:
        """Build a residual block that keeps the grid."""
        return ResidualBlock(inputs, outputs, self.embedding, self.scale_shift, conv=self.conv)

    def attention(self, channels: int) -> nn.Module:
        """Build the attention that follows a residual block; heads must divide the channels."""
        heads = self.heads_of(channels)
        if self.context:
            return SpatialTransformer(channels, heads, self.context, self.depth, self.linear)
        return PixelAttention(channels, heads)

    def heads_of(self, channels: int) -> int:
        """Number of attention heads for so many channels.

        Raises:
            ValueError: it does not divide them.
        """
        divisor = self.heads or self.head_width
        if divisor < 1 or channels % divisor:
            raise ValueError(
                f"{channels} channels cannot be divided: heads={self.heads}, "
                f"head_width={self.head_width}"
            )
        return self.heads or channels // self.head_width

    def down(self, channels: int) -> nn.Module:
        """Build what halves the grid."""
        if self.resample_blocks:
            return self._resample("down", channels)
        return Downsample(channels, self.conv)

    def up(self, channels: int) -> nn.Module:
        """Build what doubles the grid."""
        if self.resample_blocks:
            return self._resample("up", channels)
        return Upsample(channels, self.conv)

    def _resample(self, way: Literal["down", "up"], channels: int) -> ResidualBlock:
        return ResidualBlock(channels, channels, self.embedding, self.scale_shift, way)


class Block(nn.Module):
    """A residual block, and attention if `attends`.

    With `checkpointing` set to True, the backward pass recomputes its activations.
    """

    def __init__(self, style: Style, inputs: int, outputs: int, attends: bool) -> None:
        super().__init__()
        self.checkpointing = False
        self.residual = style.residual(inputs, outputs)
        self.attention = style.attention(outputs) if attends else None

    def forward(self, h: Tensor, *told: Tensor | None) -> Float[Tensor, "b _ ..."]:
        """Features after the block, told the time embedding, the context and its mask."""
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(self.compute, h, *told, use_reentrant=False)
        return self.compute(h, *told)

    def compute(
        self, h: Tensor, embedding: Tensor, context: Tensor | None, mask: Tensor | None
    ) -> Float[Tensor, "b _ ..."]:
        """Compute the features, keeping all activations."""
        h = self.residual(h, embedding)
        return h if self.attention is None else self.attention(h, context, mask)


class DownLevel(nn.Module):
    """Blocks at one resolution, each of whose features is kept, then a halving of the grid."""

    def __init__(self, layers: Iterable[Block], downsample: nn.Module | None) -> None:
        super().__init__()
        self.layers, self.downsample = nn.ModuleList(layers), downsample

    def forward(self, h: Tensor, *told: Tensor | None) -> list[Float[Tensor, "b _ ..."]]:
        """Features after each block and after the halving; the last go on."""
        kept = []
        for layer in self.layers:
            h = layer(h, *told)
            kept.append(h)
        return kept if self.downsample is None else [*kept, _resampled(self.downsample, h, *told)]


class UpLevel(nn.Module):
    """Blocks that also read what was kept at their resolution, then a doubling of the grid."""

    def __init__(self, layers: Iterable[Block], upsample: nn.Module | None) -> None:
        super().__init__()
        self.layers, self.upsample = nn.ModuleList(layers), upsample

    def forward(
        self, h: Tensor, kept: Sequence[Tensor], *told: Tensor | None
    ) -> Float[Tensor, "b _ ..."]:
        """Features after the level; each block reads one of `kept`."""
        for layer, other in zip(self.layers, kept, strict=True):
            h = layer(torch.cat([h, other], 1), *told)
        return h if self.upsample is None else _resampled(self.upsample, h, *told)


def _resampled(layer: nn.Module, h: Tensor, embedding: Tensor, *unused: Tensor | None) -> Tensor:
    """Resample by a convolution, or by a residual block, which is told the time."""
    return layer(h, embedding) if isinstance(layer, ResidualBlock) else layer(h)
