"""Predictors of the moving regions of a frame, and of the background's motion between two.

Source: Siarohin et al., "Motion representations for articulated animation", 2021, sections 3.1 to
3.3: regions by the principal axes of heatmaps.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.videos.lfdm.layers import Contraction, Hourglass, Smoothed, grid

__all__ = ["BackgroundPredictor", "RegionPredictor", "Regions"]


class Regions(NamedTuple):
    """Regions of frames, in coordinates from -1 to 1.

    Attributes:
        shift: mean of each heatmap, (x, y).
        covariance: of each heatmap.
        affine: of each region, whose product with its transpose is the covariance: the axes, each
            as long as its deviation.
    """

    shift: Float[Tensor, "b k 2"]
    covariance: Float[Tensor, "b k 2 2"]
    affine: Float[Tensor, "b k 2 2"]


class RegionPredictor(nn.Module):
    """Finds regions as heatmaps, softmaxes over places.

    Args:
        channels: of frames.
        regions: number of regions.
        width, most, blocks: of the hourglass.
        temperature: of the softmax.
        padded: pad the last convolution by 3 pixels, as for MUG; else heatmaps are 6 pixels smaller
            a side, as for MHAD and NATOPS.
        reduction: factor by which frames are reduced first.
    """

    def __init__(
        self,
        channels: int = 3,
        regions: int = 10,
        width: int = 32,
        most: int = 1024,
        blocks: int = 5,
        temperature: float = 0.1,
        padded: bool = True,
        reduction: int = 4,
    ) -> None:
        super().__init__()
        self.reduce = Smoothed(reduction)
        self.hourglass = Hourglass(channels, width, most, blocks)
        padding = 3 if padded else 0
        self.heatmaps = nn.Conv2d(self.hourglass.out_channels, regions, 7, padding=padding)
        self.temperature = temperature

    def forward(self, x: Float[Tensor, "b c h w"]) -> Regions:
        """Regions of frames in [0, 1]."""
        logits = self.heatmaps(self.hourglass(self.reduce(x)))
        chance = (logits.float().flatten(2) / self.temperature).softmax(-1)
        return measured(chance.view_as(logits))


def measured(heatmaps: Float[Tensor, "b k h w"]) -> Regions:
    """Mean, covariance and principal axes of heatmaps, each of sum 1.

    The signs of the axes are those of the decomposition, as published.
    """
    at = grid(*heatmaps.shape[-2:], heatmaps)
    shift = torch.einsum("bkhw,hwx->bkx", heatmaps, at)
    apart = at - shift[:, :, None, None]
    covariance = torch.einsum("bkhw,bkhwx,bkhwy->bkxy", heatmaps, apart, apart)
    axes, squares, _ = torch.linalg.svd(covariance)
    return Regions(shift, covariance, axes * squares.clamp(min=0).sqrt()[..., None, :])


class BackgroundPredictor(nn.Module):
    """Finds how the background of one frame lies in another: an affine map, at first the identity.

    Args:
        channels: of frames.
        width, most, blocks: of the convolutions.
    """

    def __init__(
        self, channels: int = 3, width: int = 32, most: int = 1024, blocks: int = 5
    ) -> None:
        super().__init__()
        self.features = Contraction(2 * channels, width, most, blocks)
        self.affine = nn.Linear(self.features.widths[-1], 6)
        nn.init.zeros_(self.affine.weight)
        with torch.no_grad():
            self.affine.bias.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))

    def forward(
        self, source: Float[Tensor, "b c h w"], driving: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b 2 3"]:
        """Map of places of driving frames to those of sources: a matrix and a shift."""
        features = self.features(torch.cat([source, driving], 1))[-1]
        return self.affine(features.mean((2, 3))).view(-1, 2, 3).float()
