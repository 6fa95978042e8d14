"""Convolutional encoder and decoder of grouped spherical quantization (GSQ), MAGVIT-v2 style.

Source: Wang et al., "Scaling image tokenizers with grouped spherical quantization", 2024, sections
3 and 4. The decoder adds group normalisation conditioned on the mean and standard deviation of the
latent, and depth-to-space upsampling.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.images.layers import SpatialAttention, check_grid, group_norm

__all__ = ["AdaptiveGroupNorm", "Decoder", "DepthToSpace", "Encoder"]

SILU_GAIN = 1.6761  # 1 / sqrt(E silu(x)^2) for a standard normal x, which preserves variance


def conv(
    in_channels: int, out_channels: int, kernel: int = 3, *, stride: int = 1, gain: float = 1.0
) -> nn.Conv2d:
    """Build a convolution with weights of standard deviation `gain / sqrt(fan-in)`."""
    layer = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2)
    nn.init.normal_(layer.weight, std=gain / math.sqrt(in_channels * kernel**2))
    return layer


class ResidualBlock(nn.Module):
    """Two normalised 3x3 convolutions with a skip connection."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            group_norm(in_channels, eps=1e-5),
            nn.SiLU(),
            conv(in_channels, out_channels, gain=SILU_GAIN),
            group_norm(out_channels, eps=1e-5),
            nn.SiLU(),
            conv(out_channels, out_channels, gain=SILU_GAIN * math.sqrt(0.5)),
        )
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else conv(in_channels, out_channels, 1)

    def forward(self, x: Float[Tensor, "b _ h w"]) -> Float[Tensor, "b _ h w"]:
        return self.net(x) + self.skip(x)


class AdaptiveGroupNorm(nn.Module):
    """Group normalisation with scale and shift predicted from latent statistics.

    The scale is a linear function of the latent channels' standard deviations over the grid, the
    shift one of their means.
    """

    def __init__(self, channels: int, latent_channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels, affine=False)
        self.gamma = nn.Linear(latent_channels, channels)
        self.beta = nn.Linear(latent_channels, channels)

    def forward(
        self, x: Float[Tensor, "b c h w"], latent: Float[Tensor, "b d _ _"]
    ) -> Float[Tensor, "b c h w"]:
        # The unbiased variance is undefined for a single token: use the biased one, which is 0.
        correction = int(latent[0, 0].numel() > 1)
        variance, mean = torch.var_mean(latent, dim=(2, 3), correction=correction)
        scale, shift = self.gamma((variance + 1e-6).sqrt()), self.beta(mean)
        return torch.addcmul(shift[..., None, None], self.norm(x), scale[..., None, None])


class DepthToSpace(nn.Module):
    """Double the grid by a convolution whose channels become the 2 x 2 pixels of each position.

    Channel `(2 a + b) C + c` of the convolution goes to channel `c` of pixel `(2 i + a, 2 j + b)`
    (depth, column, row order; `nn.PixelShuffle` would read `4 c + 2 a + b`).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4 * channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c _ _"]:
        return rearrange(self.conv(x), "b (a e c) h w -> b c (h a) (w e)", a=2, e=2)


def upsample(channels: int) -> nn.Sequential:
    """Build nearest-neighbour upsampling by two, followed by a convolution."""
    return nn.Sequential(nn.Upsample(scale_factor=2), conv(channels, channels))


def blocks_per_level(blocks: int | Sequence[int], levels: int) -> list[int]:
    """Expand `blocks` to one number per level."""
    counts = [blocks] * levels if isinstance(blocks, int) else list(blocks)
    if len(counts) != levels:
        raise ValueError(f"{levels} multipliers need one number of blocks each, found {counts}")
    return counts


def level_blocks(in_channels: int, out_channels: int, blocks: int) -> Iterator[nn.Module]:
    """Yield the blocks of one level, preceded by one that changes the channels if they differ."""
    if in_channels != out_channels:
        yield ResidualBlock(in_channels, out_channels)
    for _ in range(blocks):
        yield ResidualBlock(out_channels, out_channels)


def attend(channels: int) -> SpatialAttention:
    """Build attention with projections of standard deviation `1 / sqrt(fan-in)`."""
    layer = SpatialAttention(channels)
    for projection in (layer.q, layer.k, layer.v, layer.proj_out):
        nn.init.normal_(projection.weight, std=1 / math.sqrt(channels))
    return layer


def middle(channels: int, blocks: int, attention: bool) -> Iterator[nn.Module]:
    """Yield the blocks at the coarsest grid, with attention between consecutive ones on request."""
    for i in range(blocks):
        if attention and i:
            yield attend(channels)
        yield ResidualBlock(channels, channels)


class Encoder(nn.Module):
    """Encoder from images to latents on a grid `2 ** (len(multipliers) - 1)` times coarser.

    Args:
        in_channels: image channels.
        out_channels: latent channels.
        width: channels of the first convolution.
        multipliers: channels of each level divided by `width`, finest level first.
        blocks: residual blocks per level: one number, or one for each level, finest first.
        middle_blocks: residual blocks after the last level.
        attention: put self-attention between the middle blocks.

    Raises:
        ValueError: the channels of a level are not a multiple of 32 (group normalisation), `blocks`
            and `multipliers` differ in length, or the sides of an image are not multiples of
            `downsampling`.

    Example:
        >>> Encoder(1, 8, width=32, multipliers=[1, 2])(torch.zeros(1, 1, 8, 8)).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 16,
        width: int = 128,
        multipliers: Sequence[int] = (1, 1, 2, 2, 4),
        blocks: int | Sequence[int] = 2,
        middle_blocks: int = 2,
        attention: bool = False,
    ) -> None:
        super().__init__()
        last = len(multipliers) - 1
        counts = blocks_per_level(blocks, len(multipliers))
        self.downsampling = 2**last
        self.conv_in = conv(in_channels, width)
        modules: list[nn.Module] = []
        channels = width
        for level, (multiplier, count) in enumerate(zip(multipliers, counts, strict=True)):
            modules += level_blocks(channels, width * multiplier, count)
            channels = width * multiplier
            if level != last:
                modules.append(conv(channels, channels, stride=2))
        modules += middle(channels, middle_blocks, attention)
        self.blocks = nn.Sequential(*modules)
        self.head = nn.Sequential(
            group_norm(channels, eps=1e-5),
            nn.SiLU(),
            conv(channels, out_channels, 1, gain=SILU_GAIN),
        )

    @property
    def last_layer(self) -> Tensor:
        """Weight at which the gradients of reconstruction and alignment are compared."""
        return self.head[-1].weight

    def forward(self, x: Float[Tensor, "b _ height width"]) -> Float[Tensor, "b _ h w"]:
        check_grid(x, self.downsampling)
        return self.head(self.blocks(self.conv_in(x)))


class Decoder(nn.Module):
    """Decoder from latents to images.

    Args:
        in_channels: latent channels.
        out_channels: image channels.
        width: channels of the finest level divided by its multiplier.
        multipliers: the encoder's, finest level first.
        blocks: residual blocks per level: one number, or one for each level, finest first.
        middle_blocks: residual blocks before the first level.
        attention: put self-attention between the middle blocks.
        adaptive_norm: apply `AdaptiveGroupNorm` after the middle blocks and each upsampling.
        depth_to_space: upsample with `DepthToSpace` instead of nearest neighbours.

    Raises:
        ValueError: the channels of a level are not a multiple of 32 (group normalisation), or
            `blocks` and `multipliers` differ in length.

    Example:
        >>> Decoder(8, 1, width=32, multipliers=[1, 2])(torch.zeros(1, 8, 4, 4)).shape
        torch.Size([1, 1, 8, 8])
    """

    def __init__(
        self,
        in_channels: int = 16,
        out_channels: int = 3,
        width: int = 128,
        multipliers: Sequence[int] = (1, 1, 2, 2, 4),
        blocks: int | Sequence[int] = 2,
        middle_blocks: int = 2,
        attention: bool = False,
        adaptive_norm: bool = True,
        depth_to_space: bool = True,
    ) -> None:
        super().__init__()
        counts = blocks_per_level(blocks, len(multipliers))
        channels = width * multipliers[-1]
        self.conv_in = conv(in_channels, channels)
        modules = list(middle(channels, middle_blocks, attention))
        if adaptive_norm:
            modules.append(AdaptiveGroupNorm(channels, in_channels))
        for level in reversed(range(len(multipliers))):
            modules += level_blocks(channels, width * multipliers[level], counts[level])
            channels = width * multipliers[level]
            if level:
                modules.append(DepthToSpace(channels) if depth_to_space else upsample(channels))
            if level and adaptive_norm:
                modules.append(AdaptiveGroupNorm(channels, in_channels))
        self.blocks = nn.ModuleList(modules)
        self.head = nn.Sequential(
            group_norm(channels, eps=1e-5),
            nn.SiLU(),
            conv(channels, out_channels, gain=SILU_GAIN),
        )

    @property
    def last_layer(self) -> Tensor:
        """Weight at which the gradients of reconstruction and adversarial loss are compared."""
        return self.head[-1].weight

    def forward(self, z: Float[Tensor, "b _ h w"]) -> Float[Tensor, "b _ height width"]:
        h = self.conv_in(z)
        for block in self.blocks:
            h = block(h, z) if isinstance(block, AdaptiveGroupNorm) else block(h)
        return self.head(h)
