"""MagicVideo's decoder of clips: that of an image autoencoder, with attention over time.

Source: Zhou et al., "MagicVideo: Efficient Video Generation With Latent Diffusion Models", 2022,
section 3.4 (VideoVAE). Where the layers stand is as recalled.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.images import compvis
from ldm.networks.videos.magicvideo.layers import DirectedAttention

__all__ = ["Decoder"]


class Decoder(compvis.Decoder):
    """A `compvis.Decoder` on every frame, with directed attention over time between its levels.

    It removes the flicker of frames that are decoded alone. Weights of the decoder of images fit,
    and what is new begins as zero: then a clip is decoded frame by frame. Attention stands after
    the middle and after each level but the finest, whose grid it is too large for. No frame depends
    on later ones, and clips may have any number of them.

    Args:
        in_channels, out_channels, width, multipliers, **options: of `compvis.Decoder`.
        heads: of attention over time.

    Example:
        >>> import torch
        >>> decoder = Decoder(4, 3, width=32, multipliers=[1, 2])
        >>> decoder(torch.zeros(1, 4, 3, 8, 8)).shape
        torch.Size([1, 3, 3, 16, 16])
    """

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 3,
        width: int = 128,
        multipliers: Sequence[int] = (1, 2, 4, 4),
        heads: int = 8,
        **options,
    ) -> None:
        super().__init__(in_channels, out_channels, width, multipliers, **options)
        wide = [multipliers[-1], *reversed(multipliers[1:])]
        self.time = nn.ModuleList(DirectedAttention(width * one, heads) for one in wide)

    def forward(self, z: Float[Tensor, "b _ t h w"]) -> Float[Tensor, "b _ t height width"]:
        frames = z.shape[2]
        h = self.mid(self.conv_in(self.post_quant_conv(rearrange(z, "b c t h w -> (b t) c h w"))))
        for time, level in zip(self.time, reversed(self.up), strict=True):
            h = level(h + time(h, frames))
        h = self.conv_out(F.silu(self.norm_out(h)))
        return rearrange(h, "(b t) c h w -> b c t h w", t=frames)
