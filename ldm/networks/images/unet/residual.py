"""Residual blocks of the U-Net, told the time, and the convolutions between its levels.

Source: Dhariwal and Nichol, "Diffusion models beat GANs on image synthesis", 2021, whose layout
latent diffusion has (Rombach et al. 2022).
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.images.layers import group_norm

__all__ = ["EPS", "Downsample", "ResidualBlock"]

EPS = 1e-5
"""Added to the variance in group normalisation, outside of spatial transformers."""

RESAMPLE = {"down": lambda: nn.AvgPool2d(2), "up": lambda: nn.Upsample(scale_factor=2.0)}


class ResidualBlock(nn.Module):
    """Two normalised 3x3 convolutions with a skip connection; the last one starts as zero.

    Args:
        in_channels, out_channels: channels before and after.
        embedding: width of the time embedding, which shifts the features between the convolutions.
        scale_shift: also scale them, after normalisation (adaptive group normalisation).
        resample: halve or double the grid before the first convolution; None to keep it.
        conv: builds the convolutions, as `nn.Conv2d` does.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        embedding: int,
        scale_shift: bool = False,
        resample: Literal["down", "up"] | None = None,
        conv: Callable[..., nn.Module] = nn.Conv2d,
    ) -> None:
        super().__init__()
        self.scale_shift = scale_shift
        self.resample = nn.Identity() if resample is None else RESAMPLE[resample]()
        self.norm1 = group_norm(in_channels, eps=EPS)
        self.conv1 = conv(in_channels, out_channels, 3, padding=1)
        self.time = nn.Linear(embedding, (1 + scale_shift) * out_channels)
        self.norm2 = group_norm(out_channels, eps=EPS)
        self.conv2 = conv(out_channels, out_channels, 3, padding=1)
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else conv(in_channels, out_channels, 1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(
        self, x: Float[Tensor, "b _ ..."], embedding: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b _ ..."]:
        """Features after the block; the activation of the embedding is already applied."""
        h = self.conv1(self.resample(F.silu(self.norm1(x))))
        told = self.time(embedding)
        told = told.view(*told.shape, *[1] * (x.ndim - 2))
        if self.scale_shift:
            scale, shift = told.chunk(2, dim=1)
            h = torch.addcmul(shift, self.norm2(h), 1 + scale)
        else:
            h = self.norm2(h + told)
        return self.skip(self.resample(x)) + self.conv2(F.silu(h))


class Downsample(nn.Module):
    """Halve the grid by a convolution that is padded on all sides."""

    def __init__(self, channels: int, conv: Callable[..., nn.Module] = nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b c ..."]:
        return self.conv(x)
