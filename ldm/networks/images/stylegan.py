"""A discriminator of residual blocks with one logit an image, as StyleGAN's.

Sources: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020 (residual
blocks); Zhang, "Making Convolutional Networks Shift-Invariant Again", 2019 (blurred downsampling);
with the widths of Yu et al. 2024 (MAGVIT-v2).
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.images.layers import check_images

__all__ = ["StyleGANDiscriminator"]

SLOPE = 0.2


class Blur(nn.Module):
    """Halve the grid after a convolution of each channel with (1, 3, 3, 1)^T (1, 3, 3, 1) / 64."""

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c _ _"]:
        line = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype, device=x.device) / 8
        kernel = line.outer(line).expand(x.shape[1], 1, 4, 4)
        return F.conv2d(x, kernel, stride=2, padding=1, groups=x.shape[1])


class Block(nn.Module):
    """Two convolutions and a skip connection that halve the grid."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(in_channels, in_channels, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            Blur(),
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.LeakyReLU(SLOPE),
        )
        self.skip = nn.Sequential(Blur(), nn.Conv2d(in_channels, out_channels, 1, bias=False))

    def forward(self, x: Float[Tensor, "b _ h w"]) -> Float[Tensor, "b _ _ _"]:
        return (self.net(x) + self.skip(x)) / math.sqrt(2)


class StyleGANDiscriminator(nn.Module):
    """A convolution, blocks that halve the grid, a mean over the grid, and a linear layer.

    Args:
        in_channels: image channels.
        width: channels after the first convolution.
        multipliers: channels after each block, divided by `width`.

    Raises:
        ValueError: images are too small for as many blocks.

    Example:
        >>> StyleGANDiscriminator(width=8)(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2, 1])
    """

    def __init__(
        self,
        in_channels: int = 3,
        width: int = 128,
        multipliers: Sequence[int] = (2, 4, 4, 4, 4),
    ) -> None:
        super().__init__()
        channels = [width, *(width * multiplier for multiplier in multipliers)]
        self.smallest = 2 ** len(multipliers)
        self.net = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            *(Block(i, o) for i, o in pairwise(channels)),
            nn.Conv2d(channels[-1], channels[-1], 3, padding=1),
            nn.LeakyReLU(SLOPE),
        )
        self.head = nn.Linear(channels[-1], 1)

    def forward(self, x: Float[Tensor, "b _ *grid"]) -> Float[Tensor, "b 1"]:
        check_images(x, "the discriminator", "for clips set training.adversarial.frames=every")
        if min(x.shape[-2:]) < self.smallest:
            raise ValueError(
                f"the discriminator needs images of at least {self.smallest} pixels a side, found "
                f"{x.shape[-2]} x {x.shape[-1]}: use fewer multipliers"
            )
        return self.head(self.net(x).mean((2, 3)))
