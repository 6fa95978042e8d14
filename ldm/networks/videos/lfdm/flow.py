"""The flow between two frames, from the motion of their regions.

Source: Siarohin et al., "Motion representations for articulated animation", 2021, sections 3.2 and
3.4.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.videos.lfdm.layers import Hourglass, Smoothed, grid, warp
from ldm.networks.videos.lfdm.regions import Regions

__all__ = ["FlowPredictor", "motions"]


class FlowPredictor(nn.Module):
    """Blends the motions of regions and of the background to a flow, and finds what is occluded.

    Args:
        channels: of frames.
        regions: number of regions.
        width, most, blocks: of the hourglass.
        reduction: factor between the sides of frames and those of the flow.
    """

    def __init__(
        self,
        channels: int = 3,
        regions: int = 10,
        width: int = 64,
        most: int = 1024,
        blocks: int = 5,
        reduction: int = 4,
    ) -> None:
        super().__init__()
        self.reduce = Smoothed(reduction)
        self.hourglass = Hourglass((regions + 1) * (channels + 1), width, most, blocks)
        self.mask = nn.Conv2d(self.hourglass.out_channels, regions + 1, 7, padding=3)
        self.occlusion = nn.Conv2d(self.hourglass.out_channels, 1, 7, padding=3)

    def forward(
        self,
        source: Float[Tensor, "b c h w"],
        regions: Regions,
        driving: Regions,
        background: Float[Tensor, "b 2 3"],
    ) -> tuple[Float[Tensor, "b h4 w4 2"], Float[Tensor, "b 1 h4 w4"]]:
        """Place in the source that each place of the driving frame shows, and how visible it is.

        Args:
            source: frames in [0, 1].
            regions, driving: of the source and of the driving frame.
            background: from `BackgroundPredictor`.
        """
        source = self.reduce(source)
        at = grid(*source.shape[-2:], source.float())
        flows = motions(at, regions, driving, background)
        warped = warp(
            source.repeat_interleave(flows.shape[1], 0), flows.flatten(0, 1).to(source.dtype)
        )
        heat = _gaussian(at, driving) - _gaussian(at, regions)
        heat = torch.cat([torch.zeros_like(heat[:, :1]), heat], 1)
        seen = warped.unflatten(0, flows.shape[:2])
        joined = torch.cat([heat[:, :, None].to(seen.dtype), seen], 2)
        features = self.hourglass(rearrange(joined, "b k c h w -> b (k c) h w"))
        mask = self.mask(features).float().softmax(1)
        return torch.einsum("bkhw,bkhwx->bhwx", mask, flows), self.occlusion(features).sigmoid()


def motions(
    at: Float[Tensor, "h w 2"],
    source: Regions,
    driving: Regions,
    background: Float[Tensor, "b 2 3"],
) -> Float[Tensor, "b motions h w 2"]:
    """Places in the source of places in the driving frame, if they move with each region.

    The first is the background. Axes have no sign: the map of a region is taken with the sign that
    makes the first entry of its matrix positive.
    """
    matrix = source.affine @ torch.linalg.inv(driving.affine)
    matrix = matrix * matrix[..., :1, :1].sign()
    apart = at - driving.shift[:, :, None, None]
    moved = torch.einsum("bkxy,bkhwy->bkhwx", matrix, apart) + source.shift[:, :, None, None]
    still = torch.einsum("bxy,hwy->bhwx", background[..., :2], at)
    still = still + background[:, None, None, :, 2]
    return torch.cat([still[:, None], moved], 1)


def _gaussian(at: Float[Tensor, "h w 2"], regions: Regions) -> Float[Tensor, "b k h w"]:
    """Bell of each region, 1 at its mean."""
    apart = at - regions.shift[:, :, None, None]
    precision = torch.linalg.inv(regions.covariance)
    return torch.exp(-torch.einsum("bkhwx,bkxy,bkhwy->bkhw", apart, precision, apart) / 2)
