"""Encoder and decoder between clips and their flow and occlusion, given the first frame.

Source: Ni et al., "Conditional image-to-video generation with latent flow diffusion models", 2023,
section 3.2.
"""

from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.videos.lfdm.flow import FlowPredictor
from ldm.networks.videos.lfdm.generator import Generator
from ldm.networks.videos.lfdm.regions import BackgroundPredictor, RegionPredictor, Regions

__all__ = ["FlowDecoder", "FlowEncoder"]

Clips = Float[Tensor, "b c t h w"]
Frames = Float[Tensor, "b c h w"]
Latents = Float[Tensor, "b 3 t h4 w4"]

REDUCTION = 4  # of both sides of frames, to those of flows
REACH = 32  # halvings of an hourglass, in pixels of a flow


class FlowEncoder(nn.Module):
    """Finds the flow from each frame of a clip to a source frame, and how visible the source is.

    Latents are the place (x, y) in the source that each place shows, from -1 to 1 across it, and
    twice the visibility less 1.

    Args:
        shape: of clips, `(channels, frames, height, width)`.
        regions: number of moving regions.
        width: of the hourglass of regions, and half that of flows.
        most: largest number of channels.
        padded: see `RegionPredictor`.

    Raises:
        ValueError: the shape is not that of clips whose sides are multiples of 128.
    """

    def __init__(
        self,
        shape: Sequence[int] = (3, 40, 128, 128),
        regions: int = 10,
        width: int = 32,
        most: int = 1024,
        padded: bool = True,
    ) -> None:
        super().__init__()
        if len(shape) != 4 or any(side % (REDUCTION * REACH) for side in shape[2:]):
            raise ValueError(
                f"flows are of clips (channels, frames, height, width) whose sides are multiples "
                f"of {REDUCTION * REACH} pixels, found {tuple(shape)}"
            )
        channels = shape[0]
        self.regions = RegionPredictor(channels, regions, width, most, padded=padded)
        self.background = BackgroundPredictor(channels, width, most)
        self.flow = FlowPredictor(channels, regions, 2 * width, most)

    def forward(self, x: Clips, first_frame: Frames | None = None) -> Latents:
        """Latents of clips; the source is the first frame, of each clip itself if not given."""
        b, _, t, _, _ = x.shape
        source = (x[:, :, 0] if first_frame is None else first_frame) / 2 + 0.5
        driving = rearrange(x / 2 + 0.5, "b c t h w -> (b t) c h w")
        still = Regions(*(one.repeat_interleave(t, 0) for one in self.regions(source)))
        source = source.repeat_interleave(t, 0)
        background = self.background(source, driving)
        flow, visible = self.flow(source, still, self.regions(driving), background)
        joined = torch.cat([flow.movedim(-1, 1).to(x.dtype), 2 * visible.to(x.dtype) - 1], 1)
        return rearrange(joined, "(b t) d h w -> b d t h w", b=b)


class FlowDecoder(nn.Module):
    """Paints clips of latents and a first frame.

    Args:
        shape: of clips, `(channels, frames, height, width)`.
        generator_width: channels of the generator's finest features.
        blocks: residual blocks of the generator.
    """

    def __init__(
        self,
        shape: Sequence[int] = (3, 40, 128, 128),
        generator_width: int = 64,
        blocks: int = 6,
    ) -> None:
        super().__init__()
        self.generator = Generator(shape[0], generator_width, blocks)

    def forward(self, latent: Latents, first_frame: Frames | None = None) -> Clips:
        """Clips in [-1, 1].

        Raises:
            ValueError: no first frame is given.
        """
        if first_frame is None:
            raise ValueError(
                "a flow paints nothing without a first frame: choose data that give one, "
                "data=first_frame"
            )
        frames = rearrange(latent, "b d t h w -> (b t) d h w")
        flow, visible = frames[:, :2].movedim(1, -1), (frames[:, 2:] + 1) / 2
        painted = self.generator(first_frame / 2 + 0.5, flow, visible)
        return rearrange(2 * painted - 1, "(b t) c h w -> b c t h w", b=len(latent))

    def appearance(self, first_frame: Frames) -> Float[Tensor, "b d h4 w4"]:
        """Features of a first frame, which a prior is told."""
        return self.generator.appearance(first_frame / 2 + 0.5)
