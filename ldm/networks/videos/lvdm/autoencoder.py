"""The convolutional autoencoder of clips of LVDM, whose latents are coarser in time, too.

Source: He et al., "Latent Video Diffusion Models for High-Fidelity Long Video Generation", 2022,
after the networks of TATS (Ge et al. 2022).
"""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.images.layers import group_norm

__all__ = ["Convolution", "Decoder", "Encoder", "TransposedConvolution"]


class Convolution(nn.Conv3d):
    """A convolution that repeats the border outwards, by `kernel - stride` in all along each axis.

    The larger half of it goes in front. Zeros there would let brightness drift at the border.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: Sequence[int] = (1, 1, 1)):
        super().__init__(inputs, outputs, kernel, tuple(stride))

    def forward(self, x: Float[Tensor, "b _ t h w"]) -> Float[Tensor, "b _ _ _ _"]:
        return super().forward(_extended(x, self.kernel_size, self.stride))


class TransposedConvolution(nn.ConvTranspose3d):
    """The transposed convolution of as many places a place as `stride` says, border repeated."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: Sequence[int]):
        super().__init__(inputs, outputs, kernel, tuple(stride), padding=kernel - 1)

    def forward(self, x: Float[Tensor, "b _ t h w"]) -> Float[Tensor, "b _ _ _ _"]:
        return super().forward(_extended(x, self.kernel_size, self.stride))


class ResidualBlock(nn.Module):
    """Two normalised convolutions and a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = group_norm(channels), Convolution(channels, channels, 3)
        self.norm2, self.conv2 = group_norm(channels), Convolution(channels, channels, 3)

    def forward(self, x: Float[Tensor, "b c t h w"]) -> Float[Tensor, "b c t h w"]:
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


class Encoder(nn.Module):
    """Encoder from clips to features; each level halves the sides, and the first ones the time.

    Args:
        in_channels: of clips.
        out_channels: channels that the bottleneck expects.
        width: channels of the first convolution; each level doubles them.
        levels: number of halvings of the sides.
        time_levels: number of halvings of the time, in the first levels.

    Raises:
        ValueError: frames or sides of a clip are not multiples of the downsampling, or channels of
            a level are no multiples of 32 (group normalisation).

    Example:
        >>> import torch
        >>> Encoder(3, 8, width=32, levels=2, time_levels=1)(torch.zeros(1, 3, 4, 8, 8)).shape
        torch.Size([1, 8, 2, 2, 2])
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 8,
        width: int = 32,
        levels: int = 3,
        time_levels: int = 2,
    ) -> None:
        super().__init__()
        self.downsampling = _strides(levels, time_levels)
        self.conv_in = Convolution(in_channels, width, 3)
        self.down = nn.ModuleList()
        for level, stride in enumerate(self.downsampling):
            channels = width * 2**level
            halve = Convolution(channels, 2 * channels, 4, stride)
            self.down.append(nn.Sequential(halve, ResidualBlock(2 * channels)))
        channels = width * 2**levels
        self.norm_out = group_norm(channels)
        self.conv_out = Convolution(channels, out_channels, 3)
        self.quant_conv = nn.Conv3d(out_channels, out_channels, 1)

    def forward(self, x: Float[Tensor, "b _ frames height width"]) -> Float[Tensor, "b _ t h w"]:
        _check_clip(x, self.downsampling)
        h = self.conv_in(x)
        for level in self.down:
            h = level(h)
        return self.quant_conv(self.conv_out(F.silu(self.norm_out(h))))


class Decoder(nn.Module):
    """Decoder from latents to clips: `Encoder` reversed, with two residual blocks a level.

    Args:
        in_channels: of latents.
        out_channels: of clips.
        width, levels, time_levels: the encoder's values.

    Raises:
        ValueError: channels of a level are no multiples of 32 (group normalisation).

    Example:
        >>> import torch
        >>> Decoder(4, 3, width=32, levels=2, time_levels=1)(torch.zeros(1, 4, 2, 2, 2)).shape
        torch.Size([1, 3, 4, 8, 8])
    """

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 3,
        width: int = 32,
        levels: int = 3,
        time_levels: int = 2,
    ) -> None:
        super().__init__()
        self.post_quant_conv = nn.Conv3d(in_channels, in_channels, 1)
        self.up, inputs = nn.ModuleList(), in_channels
        for level, stride in enumerate(_strides(levels, time_levels)):
            channels = width * 2 ** (levels - level)
            double = TransposedConvolution(inputs, channels, 4, stride)
            blocks = ResidualBlock(channels), ResidualBlock(channels)
            self.up.append(nn.Sequential(double, *blocks))
            inputs = channels
        self.conv_out = Convolution(inputs, out_channels, 3)

    @property
    def last_layer(self) -> Tensor:
        """Weight at which the gradients of reconstruction and adversarial loss are compared."""
        return self.conv_out.weight

    def forward(self, z: Float[Tensor, "b _ t h w"]) -> Float[Tensor, "b _ frames height width"]:
        h = self.post_quant_conv(z)
        for level in self.up:
            h = level(h)
        return self.conv_out(h)


def _strides(levels: int, time_levels: int) -> list[tuple[int, int, int]]:
    """Strides of the levels along time, height and width; the decoder's order is the encoder's."""
    return [(2 if level < time_levels else 1, 2, 2) for level in range(levels)]


def _extended(x: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Repeat the border outwards by `kernel - stride` along each axis, the larger half in front."""
    missing = [k - s for k, s in zip(kernel, stride, strict=True)]
    return F.pad(x, [side for m in reversed(missing) for side in (m - m // 2, m // 2)], "replicate")


def _check_clip(x: Tensor, strides: Sequence[tuple[int, int, int]]) -> None:
    """Raise a ValueError unless frames and sides are multiples of the product of the strides."""
    time, side = (2 ** sum(one[axis] == 2 for one in strides) for axis in (0, 1))
    if x.shape[2] % time or any(one % side for one in x.shape[3:]):
        raise ValueError(
            f"the encoder reads clips (channels, frames, height, width) whose frames are multiples "
            f"of {time} and whose sides are multiples of {side}, found {tuple(x.shape[1:])}: "
            f"change data.frames or data.size"
        )
