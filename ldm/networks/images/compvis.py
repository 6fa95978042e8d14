"""Convolutional encoder and decoder of latent diffusion's KL and VQ autoencoders, f4 to f32.

Source: Rombach et al., "High-resolution image synthesis with latent diffusion models", 2022, and
Esser et al., "Taming transformers", 2021. Parameters are named as in the published checkpoints,
with the 1x1 convolutions around the bottleneck moved into the networks.
"""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.images.layers import SpatialAttention, Upsample, check_grid, group_norm

__all__ = ["Decoder", "Encoder"]


class ResidualBlock(nn.Module):
    """Two normalised 3x3 convolutions with a skip connection."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm1 = group_norm(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = group_norm(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        same = in_channels == out_channels
        self.nin_shortcut = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Float[Tensor, "b _ h w"]) -> Float[Tensor, "b _ h w"]:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return self.nin_shortcut(x) + h


class Downsample(nn.Module):
    """Halve the grid, padding zeros on the right and bottom only, as published weights expect."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c _ _"]:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Level(nn.Module):
    """Residual blocks at one resolution, each followed by attention if `attention`."""

    def __init__(self, channels: Sequence[int], attention: bool) -> None:
        super().__init__()
        self.block = nn.ModuleList(ResidualBlock(i, o) for i, o in pairwise(channels))
        self.attn = nn.ModuleList(
            SpatialAttention(o) if attention else nn.Identity() for o in channels[1:]
        )

    def forward(self, h: Float[Tensor, "b _ h w"]) -> Float[Tensor, "b _ _ _"]:
        for block, attention in zip(self.block, self.attn, strict=True):
            h = attention(block(h))
        return h


class DownLevel(Level):
    """An encoder level; all but the last end with downsampling."""

    def __init__(self, channels: Sequence[int], attention: bool, last: bool) -> None:
        super().__init__(channels, attention)
        self.downsample = nn.Identity() if last else Downsample(channels[-1])

    def forward(self, h: Float[Tensor, "b _ h w"]) -> Float[Tensor, "b _ _ _"]:
        return self.downsample(super().forward(h))


class UpLevel(Level):
    """A decoder level; all but the last end with upsampling."""

    def __init__(self, channels: Sequence[int], attention: bool, last: bool) -> None:
        super().__init__(channels, attention)
        self.upsample = nn.Identity() if last else Upsample(channels[-1])

    def forward(self, h: Float[Tensor, "b _ h w"]) -> Float[Tensor, "b _ _ _"]:
        return self.upsample(super().forward(h))


def middle(channels: int, attention: bool) -> nn.Sequential:
    """Build the blocks at the coarsest grid: residual block, attention if any, residual block."""
    return nn.Sequential(
        OrderedDict(
            block_1=ResidualBlock(channels, channels),
            attn_1=SpatialAttention(channels) if attention else nn.Identity(),
            block_2=ResidualBlock(channels, channels),
        )
    )


class Encoder(nn.Module):
    """Encoder from images to features on a grid `2 ** (len(multipliers) - 1)` times coarser.

    Args:
        in_channels: image channels.
        out_channels: channels that the bottleneck expects: twice the latent channels for a
            Gaussian posterior.
        width: channels of the first convolution.
        multipliers: channels of each level divided by `width`, finest level first.
        blocks: residual blocks per level.
        attention_resolutions: side lengths of the grids whose levels use attention, for images
            of side `resolution`.
        resolution: side of the training images. It only decides which levels use attention:
            images of any size whose sides are multiples of `downsampling` can be encoded.
        middle_attention: use attention between the blocks at the coarsest grid.

    Raises:
        ValueError: the channels of a level are not a multiple of 32 (group normalisation), or the
            sides of an image are not multiples of `downsampling`.

    Example:
        >>> import torch
        >>> Encoder(3, 8, width=32, multipliers=[1, 2])(torch.zeros(1, 3, 16, 16)).shape
        torch.Size([1, 8, 8, 8])
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 8,
        width: int = 128,
        multipliers: Sequence[int] = (1, 2, 4, 4),
        blocks: int = 2,
        attention_resolutions: Sequence[int] = (),
        resolution: int = 256,
        middle_attention: bool = True,
    ) -> None:
        super().__init__()
        last = len(multipliers) - 1
        self.downsampling = 2**last
        self.conv_in = nn.Conv2d(in_channels, width, 3, padding=1)
        self.down = nn.ModuleList()
        channels = width
        for level, multiplier in enumerate(multipliers):
            chain = [channels] + [width * multiplier] * blocks
            attention = resolution // 2**level in attention_resolutions
            self.down.append(DownLevel(chain, attention, last=level == last))
            channels = chain[-1]
        self.mid = middle(channels, middle_attention)
        self.norm_out = group_norm(channels)
        self.conv_out = nn.Conv2d(channels, out_channels, 3, padding=1)
        self.quant_conv = nn.Conv2d(out_channels, out_channels, 1)

    @property
    def last_layer(self) -> Tensor:
        """Weight at which the gradients of reconstruction and alignment are compared."""
        return self.conv_out.weight

    def forward(self, x: Float[Tensor, "b _ height width"]) -> Float[Tensor, "b _ h w"]:
        check_grid(x, self.downsampling)
        h = self.conv_in(x)
        for level in self.down:
            h = level(h)
        h = F.silu(self.norm_out(self.mid(h)))
        return self.quant_conv(self.conv_out(h))


class Decoder(nn.Module):
    """Decoder from latents to images: mirrors `Encoder`, with one more block per level.

    Args:
        in_channels: latent channels.
        out_channels: image channels.
        width, multipliers, blocks, attention_resolutions, resolution, middle_attention: the
            encoder's values.

    Raises:
        ValueError: the channels of a level are not a multiple of 32 (group normalisation).

    Example:
        >>> import torch
        >>> Decoder(4, 3, width=32, multipliers=[1, 2])(torch.zeros(1, 4, 8, 8)).shape
        torch.Size([1, 3, 16, 16])
    """

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 3,
        width: int = 128,
        multipliers: Sequence[int] = (1, 2, 4, 4),
        blocks: int = 2,
        attention_resolutions: Sequence[int] = (),
        resolution: int = 256,
        middle_attention: bool = True,
    ) -> None:
        super().__init__()
        channels = width * multipliers[-1]
        self.post_quant_conv = nn.Conv2d(in_channels, in_channels, 1)
        self.conv_in = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.mid = middle(channels, middle_attention)
        levels = []
        for level, multiplier in reversed(list(enumerate(multipliers))):
            chain = [channels] + [width * multiplier] * (blocks + 1)
            attention = resolution // 2**level in attention_resolutions
            levels.append(UpLevel(chain, attention, last=level == 0))
            channels = chain[-1]
        # Published checkpoints store the finest level first, although it runs last.
        self.up = nn.ModuleList(reversed(levels))
        self.norm_out = group_norm(channels)
        self.conv_out = nn.Conv2d(channels, out_channels, 3, padding=1)

    @property
    def last_layer(self) -> Tensor:
        """Weight at which the gradients of reconstruction and adversarial loss are compared."""
        return self.conv_out.weight

    def forward(self, z: Float[Tensor, "b _ h w"]) -> Float[Tensor, "b _ height width"]:
        h = self.mid(self.conv_in(self.post_quant_conv(z)))
        for level in reversed(self.up):
            h = level(h)
        return self.conv_out(F.silu(self.norm_out(h)))
