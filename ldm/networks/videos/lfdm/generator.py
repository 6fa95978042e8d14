"""The decoder of LFDM's autoencoder: it warps the first frame's features and paints the rest.

Source: Ni et al., "Conditional image-to-video generation with latent flow diffusion models", 2023,
section 3.2.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ldm.networks.videos.lfdm.layers import convolved, warp

__all__ = ["Generator"]


class Generator(nn.Module):
    """Paints a frame from a source, the flow to it, and how visible the source is at each place.

    Features of the source are warped at every resolution, and at last its pixels. Where the source
    is visible they are taken, and what the network makes itself where it is not.

    Args:
        channels: of frames.
        width: channels of the finest features; each of two halvings doubles them.
        blocks: residual blocks at the coarsest resolution.
    """

    def __init__(self, channels: int = 3, width: int = 64, blocks: int = 6) -> None:
        super().__init__()
        self.stem = convolved(channels, width, 7)
        self.down = nn.ModuleList(convolved(width * n, width * n * 2) for n in (1, 2))
        self.middle = nn.Sequential(*(_Residual(4 * width) for _ in range(blocks)))
        self.up = nn.ModuleList(convolved(width * n, width * n // 2) for n in (4, 2))
        self.head = nn.Conv2d(width, channels, 7, padding=3)

    def appearance(self, source: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h4 w4"]:
        """Coarsest features of frames in [0, 1]."""
        return self._features(source)[-1]

    def forward(
        self,
        source: Float[Tensor, "b c h w"],
        flow: Float[Tensor, "n h4 w4 2"],
        visible: Float[Tensor, "n 1 h4 w4"],
    ) -> Float[Tensor, "n c h w"]:
        """Frames in [0, 1]; where there are `n` flows for each source, one source's after another.

        The features of a source are computed once.
        """
        n = len(flow) // len(source)
        source, *finer, coarse = (
            x.repeat_interleave(n, 0) for x in (source, *self._features(source))
        )
        x = self.middle(_blend(coarse, torch.zeros_like(coarse), flow, visible))
        for block, own in zip(self.up, [coarse, finer[1]], strict=True):
            x = block(F.interpolate(_blend(own, x, flow, visible), scale_factor=2.0))
        x = self.head(_blend(finer[0], x, flow, visible)).sigmoid()
        return _blend(source, x, flow, visible)

    def _features(self, source: Float[Tensor, "b c h w"]) -> list[Tensor]:
        found = [self.stem(source)]
        for block in self.down:
            found.append(F.avg_pool2d(block(found[-1]), 2))
        return found


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            conv = nn.Conv2d(channels, channels, 3, padding=1)
            layers += [nn.BatchNorm2d(channels), nn.ReLU(), conv]
        self.net = nn.Sequential(*layers)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return x + self.net(x)


def _blend(
    source: Float[Tensor, "b c h w"],
    own: Float[Tensor, "b c h w"],
    flow: Float[Tensor, "b h4 w4 2"],
    visible: Float[Tensor, "b 1 h4 w4"],
) -> Float[Tensor, "b c h w"]:
    """The warped source where it is visible, else the network's own."""
    if visible.shape[-2:] != source.shape[-2:]:
        visible = F.interpolate(visible, source.shape[-2:], mode="bilinear")
    return warp(source, flow) * visible + own * (1 - visible)
