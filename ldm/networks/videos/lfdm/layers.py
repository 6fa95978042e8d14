"""Layers of LFDM's autoencoder: its hourglass, smooth downsampling, warping.

Sources: Siarohin et al., "Motion representations for articulated animation", 2021 (MRAA), from
which Ni et al. 2023 (LFDM) take the networks; Newell et al. 2016 (hourglass).
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Contraction", "Hourglass", "Smoothed", "convolved", "grid", "warp"]

Images = Float[Tensor, "b c h w"]
Grid = Float[Tensor, "b rows columns 2"]


def convolved(in_channels: int, out_channels: int, kernel: int = 3) -> nn.Sequential:
    """Build a convolution, batch normalisation and ReLU that keep the sides."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


def _widths(channels: int, width: int, most: int, blocks: int) -> list[int]:
    return [channels, *(min(most, width * 2 ** (number + 1)) for number in range(blocks))]


class Contraction(nn.Module):
    """Convolutions, each followed by a halving of the sides: the first half of an hourglass.

    Args:
        channels: of the input.
        width: half the channels after the first convolution; each doubles them.
        most: largest number of channels.
        blocks: number of convolutions.
    """

    def __init__(self, channels: int, width: int, most: int = 1024, blocks: int = 5) -> None:
        super().__init__()
        widths = _widths(channels, width, most, blocks)
        pairs = pairwise(widths)
        self.blocks = nn.ModuleList(convolved(a, b) for a, b in pairs)
        self.widths = widths

    def forward(self, x: Images) -> list[Float[Tensor, "b _ _ _"]]:
        """The input and the features after each halving, finest first."""
        found = [x]
        for block in self.blocks:
            found.append(F.avg_pool2d(block(found[-1]), 2))
        return found


class Hourglass(nn.Module):
    """A contraction and its mirror image, joined at every resolution.

    Args:
        channels: of the input.
        width: channels at its resolution, beside those of the input; each level doubles them.
        most: largest number of channels.
        blocks: number of halvings, which the sides must allow.

    Example:
        >>> net = Hourglass(3, width=4, blocks=2)
        >>> net(torch.zeros(1, 3, 8, 8)).shape[1] == net.out_channels == 7
        True
    """

    def __init__(self, channels: int, width: int, most: int = 1024, blocks: int = 5) -> None:
        super().__init__()
        self.down = Contraction(channels, width, most, blocks)
        layers, inputs = [], self.down.widths[-1]
        for number in reversed(range(blocks)):
            out = min(most, width * 2**number)
            layers.append(convolved(inputs, out))
            inputs = out + self.down.widths[number]
        self.up = nn.ModuleList(layers)
        self.out_channels = inputs

    def forward(self, x: Images) -> Float[Tensor, "b _ h w"]:
        """Features at the resolution of the input."""
        *finer, x = self.down(x)
        for block in self.up:
            x = torch.cat([block(F.interpolate(x, scale_factor=2.0)), finer.pop()], 1)
        return x


class Smoothed(nn.Module):
    """Every `factor`-th pixel of images that a Gaussian of deviation `(factor - 1) / 2` smoothed.

    Args:
        factor: of both sides; 1 changes nothing.
    """

    kernel: Float[Tensor, "1 1 k k"]

    def __init__(self, factor: int = 4) -> None:
        super().__init__()
        self.factor = factor
        deviation = max((factor - 1) / 2, 1e-6)
        self.reach = round(4 * deviation)
        offset = torch.arange(-self.reach, self.reach + 1) / deviation
        line = torch.exp(-offset.square() / 2)
        line = line / line.sum()
        self.register_buffer("kernel", (line[:, None] * line)[None, None], persistent=False)

    def forward(self, x: Images) -> Float[Tensor, "b c _ _"]:
        if self.factor == 1:
            return x
        kernel = self.kernel.to(x.dtype).expand(x.shape[1], -1, -1, -1)
        return F.conv2d(x, kernel, stride=self.factor, padding=self.reach, groups=x.shape[1])


def grid(height: int, width: int, like: Tensor) -> Float[Tensor, "h w 2"]:
    """Coordinates (x, y) of pixels, those of the corners at -1 and 1."""
    x, y = (torch.linspace(-1, 1, n, dtype=like.dtype, device=like.device) for n in (width, height))
    return torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)], -1)


def warp(images: Images, flow: Grid) -> Images:
    """Images seen at the places of a flow, which is resized to their sides; black beyond borders.

    As published, -1 and 1 are the borders of pixels here, and their centres in `grid`: the flow
    that stays in place moves images a little, by half a pixel at the borders.
    """
    sides = images.shape[-2:]
    if flow.shape[1:3] != sides:
        flow = F.interpolate(flow.movedim(-1, 1), sides, mode="bilinear").movedim(1, -1)
    return F.grid_sample(images, flow, align_corners=False)
