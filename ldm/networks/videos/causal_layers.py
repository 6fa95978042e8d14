"""Layers of causal video autoencoders: of frames, and of clips.

Source: Li et al., "WF-VAE", 2025. Every layer is called with a clip `(b, c, t, h, w)` and a stream,
which layers of single frames ignore.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.images.layers import group_norm
from ldm.networks.videos.causal import CausalConv3d, Stream

__all__ = [
    "NORMS",
    "CausalDownsample",
    "CausalUpsample",
    "ChannelNorm",
    "FrameAttention",
    "FrameConv",
    "FrameDownsample",
    "FrameUpsample",
    "ResidualBlock",
    "check_chunks",
    "check_clip",
]

Clip = Float[Tensor, "b c t h w"]


def check_chunks(norm: str, chunk: int | None) -> None:
    """Raise a ValueError if chunks are asked for that would not equal the whole clip."""
    if norm not in NORMS:
        raise ValueError(f"norm is one of {', '.join(NORMS)}, found {norm!r}")
    if chunk is not None and (norm != "layer" or chunk < 1):
        raise ValueError(
            f"chunks of {chunk} latents with norm={norm} would not equal the whole clip: take "
            f"norm=layer and chunks of 1 or more, or chunk=null"
        )


def check_clip(x: Clip, frames: int, sides: int) -> None:
    """Raise a ValueError unless a clip has 1 + k `frames`, and sides that are multiples."""
    if x.ndim != 5:
        raise ValueError(
            f"the encoder reads clips (channels, frames, height, width), found data of shape "
            f"{tuple(x.shape[1:])}: choose videos, data=..."
        )
    t, height, width = x.shape[2:]
    if t % frames != 1 or height % sides or width % sides:
        raise ValueError(
            f"the encoder reads clips of 1 + {frames} k frames whose sides are multiples of "
            f"{sides}, found {t} frames of {height} x {width}: set data.frames and data.size so"
        )


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each place."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Clip) -> Clip:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


NORMS = {"layer": ChannelNorm, "group": group_norm}
"""Normalisations by name. Group normalisation averages over time, so it is neither causal nor the
same in chunks."""


class FrameConv(nn.Conv2d):
    """A convolution of each frame, which keeps its sides."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3) -> None:
        super().__init__(in_channels, out_channels, kernel, padding=kernel // 2)

    def forward(self, x: Clip, stream: Stream | None = None) -> Float[Tensor, "b _ t h w"]:
        return F.conv3d(x, self.weight[:, :, None], self.bias, padding=(0, *self.padding))


class ResidualBlock(nn.Module):
    """Two normalised convolutions with a skip connection, of frames or causal ones of clips."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        conv: type[FrameConv] | type[CausalConv3d] = CausalConv3d,
        norm: str = "layer",
    ) -> None:
        super().__init__()
        self.norm1 = NORMS[norm](in_channels)
        self.conv1 = conv(in_channels, out_channels)
        self.norm2 = NORMS[norm](out_channels)
        self.conv2 = conv(out_channels, out_channels)
        if in_channels != out_channels:
            self.nin_shortcut = conv(in_channels, out_channels, 1)

    def forward(self, x: Clip, stream: Stream) -> Float[Tensor, "b _ t h w"]:
        h = self.conv1(F.silu(self.norm1(x)), stream)
        h = self.conv2(F.silu(self.norm2(h)), stream)
        return h + (self.nin_shortcut(x, stream) if hasattr(self, "nin_shortcut") else x)


class FrameAttention(nn.Module):
    """Single-head self-attention between the places of each frame, with a residual connection."""

    def __init__(self, channels: int, norm: str = "layer") -> None:
        super().__init__()
        self.norm = NORMS[norm](channels)
        self.q, self.k, self.v, self.proj_out = (
            CausalConv3d(channels, channels, 1) for _ in "qkvo"
        )

    def forward(self, x: Clip, stream: Stream) -> Clip:
        h = self.norm(x)
        q, k, v = (
            rearrange(f(h), "b c t h w -> (b t) 1 (h w) c") for f in (self.q, self.k, self.v)
        )
        h = F.scaled_dot_product_attention(q, k, v)
        h = rearrange(h, "(b t) 1 (h w) c -> b c t h w", b=len(x), h=x.shape[3])
        return x + self.proj_out(h)


class FrameDownsample(nn.Module):
    """Halve the sides; zeros are padded on the right and bottom only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3)

    def forward(self, x: Clip, stream: Stream) -> Float[Tensor, "b c t _ _"]:
        weight = self.conv.weight[:, :, None]
        return F.conv3d(F.pad(x, (0, 1, 0, 1)), weight, self.conv.bias, stride=(1, 2, 2))


class CausalDownsample(nn.Module):
    """Halve the sides, padded as for frames, and the frames, 1 + 2 k to 1 + k."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = CausalConv3d(channels, channels, stride=2, padding=0)

    def forward(self, x: Clip, stream: Stream) -> Float[Tensor, "b c _ _ _"]:
        return self.conv(F.pad(x, (0, 1, 0, 1)), stream)


class FrameUpsample(nn.Module):
    """Double the sides by nearest neighbours, then convolve each frame."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = FrameConv(channels, channels)

    def forward(self, x: Clip, stream: Stream) -> Float[Tensor, "b c t _ _"]:
        return self.conv(F.interpolate(x, scale_factor=(1.0, 2.0, 2.0), mode="nearest"))


class CausalUpsample(nn.Module):
    """Double the sides and all frames but the first, linearly; then a causal convolution.

    The second of the two frames made of one sees the next. At the end of a chunk it is therefore
    held back, and comes with the next chunk: chunks have the frames of the whole clip, and nothing
    is computed twice. (The published code computes a latent ahead in each chunk and drops it.)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = CausalConv3d(channels, channels)

    def forward(self, x: Clip, stream: Stream) -> Float[Tensor, "b c _ _ _"]:
        x = self._between(x, stream)
        x = F.interpolate(x, scale_factor=(1.0, 2.0, 2.0), mode="trilinear")
        return self.conv(x, stream)

    def _between(self, x: Clip, stream: Stream) -> Float[Tensor, "b c _ h w"]:
        """Frames at a quarter and at three quarters between neighbours; both ends are repeated."""
        start, x = (x[:, :, :1], x[:, :, 1:]) if stream.first else (x[:, :, :0], x)
        if not x.shape[2]:
            return start
        past = stream.kept(self)
        begins = past is None
        ends = [x[:, :, -1:]] if stream.last else []
        x = torch.cat([x[:, :, :1] if begins else past, x, *ends], 2)
        stream.keep(self, x[:, :, -1:])
        a, b = x[:, :, :-1], x[:, :, 1:]
        both = torch.stack([torch.lerp(a, b, 0.25), torch.lerp(a, b, 0.75)], 3).flatten(2, 3)
        # Between an end and its copy lies one frame, not two.
        both = both[:, :, int(begins) : both.shape[2] - len(ends)]
        return torch.cat([start, both], 2)
