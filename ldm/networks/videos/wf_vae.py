"""Encoder and decoder of WF-VAE: causal, 4 x 8 x 8 times coarser, with a flow of low frequencies.

Source: Li et al., "WF-VAE: Enhancing Video VAE by Wavelet-Driven Energy Flow for Latent Video
Diffusion Model", 2025. Modules have the names of the authors' checkpoints, see `ldm.hub.wf_vae`.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.videos.causal import CausalConv3d, Chain, Stream, in_chunks
from ldm.networks.videos.causal_layers import (
    NORMS,
    CausalDownsample,
    CausalUpsample,
    FrameAttention,
    FrameConv,
    FrameDownsample,
    FrameUpsample,
    ResidualBlock,
    check_chunks,
    check_clip,
)
from ldm.networks.videos.haar import SCALES, haar2, haar3, inverse_haar2, inverse_haar3

__all__ = ["Bands", "Decoder", "Encoder", "low_bands"]

Clip = Float[Tensor, "b _ _ _ _"]  # channels, frames, height, width
FRAMES, SIDES = 4, 8  # of data, per one of a latent


class Bands(NamedTuple):
    """Wavelet bands of low frequencies: `low2` of a clip's low band, and `low3` of that one's.

    Attributes:
        low2: `(b, 4 c, 1 + (t - 1) / 2, h / 4, w / 4)`.
        low3: `(b, 8 c, 1 + (t - 1) / 4, h / 8, w / 8)`.
    """

    low2: Clip
    low3: Clip


def low_bands(first: Clip, channels: int, scale: float, begins: bool = True) -> Bands:
    """Compute the second and third level of the pyramid from the bands of the first."""
    low2 = haar2(first[:, :channels])
    return Bands(low2, haar3(low2[:, :channels], scale, begins))


def wide(x: Clip) -> Clip:
    """Widen half precision, in which sums of bands would lose the last bits of a pixel."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class Encoder(nn.Module):
    """Encoder from clips to features on a grid 4 x 8 x 8 times coarser.

    Args:
        in_channels: of the clips.
        out_channels: that the bottleneck expects: twice the latent channels.
        width: channels of the first level; 128 in size S, 160 in M, 192 in L.
        flow: channels in which wavelets of low frequencies join the network.
        norm: "layer", or "group", whose chunks would not equal the whole clip.
        haar: name of the transforms' factor, see `SCALES`.
        chunk: latents that are computed at a time outside of training, after the first, with memory
            that does not grow with the clip; None for all at once. The result is the same.

    Raises:
        ValueError: chunks are not possible with this norm; or a clip has not 1 + 4 k frames, or its
            sides are not multiples of 8.

    Example:
        >>> Encoder(width=8, flow=8)(torch.zeros(1, 3, 9, 16, 16)).shape
        torch.Size([1, 8, 3, 2, 2])
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 8,
        width: int = 128,
        flow: int = 128,
        norm: str = "layer",
        haar: str = "published",
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        check_chunks(norm, chunk)
        self.channels, self.scale, self.norm, self.chunk = in_channels, SCALES[haar], norm, chunk
        two, four = 2 * width, 4 * width
        self.down1 = Chain(
            FrameConv(8 * in_channels, width),
            ResidualBlock(width, width, FrameConv, norm),
            ResidualBlock(width, width, FrameConv, norm),
            FrameDownsample(width),
        )
        self.connect_l1 = FrameConv(4 * in_channels, flow)
        self.down2 = Chain(
            FrameConv(width + flow, two),
            ResidualBlock(two, two, norm=norm),
            ResidualBlock(two, two, norm=norm),
            CausalDownsample(two),
        )
        self.connect_l2 = FrameConv(8 * in_channels, flow)
        self.mid = Chain(
            ResidualBlock(two + flow, four, norm=norm),
            FrameAttention(four, norm),
            ResidualBlock(four, four, norm=norm),
        )
        self.norm_out = NORMS[norm](four)
        self.conv_out = CausalConv3d(four, out_channels)

    @property
    def last_layer(self) -> Tensor:
        """Weight of the last convolution."""
        return self.conv_out.weight

    def forward(self, x: Clip) -> Clip:
        check_clip(x, FRAMES, SIDES)
        whole = self.training or self.chunk is None
        return in_chunks(self._chunk, x, None if whole else FRAMES * self.chunk)

    def bands(self, x: Clip) -> Bands:
        """Bands that the decoder's are compared with; no weight has part in them."""
        return low_bands(haar3(x, self.scale), self.channels, self.scale)

    def _chunk(self, x: Clip, stream: Stream) -> Clip:
        first = haar3(x, self.scale, stream.first)
        low = low_bands(first, self.channels, self.scale, stream.first)
        h = self.down1(first, stream)
        h = self.down2(torch.cat([h, self.connect_l1(low.low2)], 1), stream)
        h = self.mid(torch.cat([h, self.connect_l2(low.low3)], 1), stream)
        return self.conv_out(F.silu(self.norm_out(h)), stream)


class Decoder(nn.Module):
    """Decoder from latents to clips; the arguments are the encoder's.

    Args:
        in_channels: of the latents.
        out_channels: of the clips.
        width, flow, norm, haar, chunk: see `Encoder`.

    Raises:
        ValueError: chunks are not possible with this norm.

    Example:
        >>> Decoder(4, 3, width=8, flow=8)(torch.zeros(1, 4, 3, 2, 2)).shape
        torch.Size([1, 3, 9, 16, 16])
    """

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 3,
        width: int = 128,
        flow: int = 128,
        norm: str = "layer",
        haar: str = "published",
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        check_chunks(norm, chunk)
        self.channels, self.scale, self.chunk = out_channels, SCALES[haar], chunk
        two, four = 2 * width, 4 * width
        self.parts = [four, flow]
        self.conv_in = CausalConv3d(in_channels, four)
        self.mid = Chain(
            ResidualBlock(four, four, norm=norm),
            FrameAttention(four, norm),
            ResidualBlock(four, four + flow, norm=norm),
        )
        self.connect_l2 = Chain(
            ResidualBlock(flow, flow, norm=norm), FrameConv(flow, 8 * out_channels)
        )
        self.up2 = Chain(
            ResidualBlock(four, four, norm=norm),
            ResidualBlock(four, four, norm=norm),
            CausalUpsample(four),
            ResidualBlock(four, four + flow, norm=norm),
        )
        self.connect_l1 = Chain(
            ResidualBlock(flow, flow, norm=norm), FrameConv(flow, 4 * out_channels)
        )
        self.up1 = Chain(
            ResidualBlock(four, two, norm=norm),
            ResidualBlock(two, two, norm=norm),
            FrameUpsample(two),
            ResidualBlock(two, two, norm=norm),
        )
        self.layer = Chain(
            ResidualBlock(two, width, norm=norm), ResidualBlock(width, width, norm=norm)
        )
        self.norm_out = NORMS[norm](width)
        self.conv_out = FrameConv(width, 8 * out_channels)

    @property
    def last_layer(self) -> Tensor:
        """Weight at which the gradients of reconstruction and adversarial loss are compared."""
        return self.conv_out.weight

    def forward(self, z: Clip) -> Clip:
        size = None if self.training else self.chunk
        return in_chunks(lambda *given: self._chunk(*given)[0], z, size)

    def with_bands(self, z: Clip) -> tuple[Clip, Bands]:
        """Decode at once; and the bands of low frequencies that the clip is made of."""
        return self._chunk(z, Stream())

    def _chunk(self, z: Clip, stream: Stream) -> tuple[Clip, Bands]:
        h = self.mid(self.conv_in(z, stream), stream)
        h, flow = h.split(self.parts, 1)
        low3 = wide(self.connect_l2(flow, stream))
        h, flow = self.up2(h, stream).split(self.parts, 1)
        low2 = wide(self.connect_l1(flow, stream))
        low = self._in_step(inverse_haar3(low3, self.scale, stream.first), low2.shape[2], stream)
        low2 = self._raised(low2, low)
        h = self.layer(self.up1(h, stream), stream)
        out = wide(self.conv_out(F.silu(self.norm_out(h))))
        out = self._raised(out, inverse_haar2(low2))
        return inverse_haar3(out, self.scale, stream.first), Bands(low2, low3)

    def _raised(self, bands: Clip, low: Clip) -> Clip:
        """Add a clip to the lowest of its bands."""
        return torch.cat([bands[:, : self.channels] + low, bands[:, self.channels :]], 1)

    def _in_step(self, low: Clip, frames: int, stream: Stream) -> Clip:
        """Hold back the frame that the upsampling holds back, see `CausalUpsample`."""
        past = stream.kept(self)
        low = low if past is None else torch.cat([past, low], 2)
        stream.keep(self, low[:, :, frames:])
        return low[:, :, :frames]
