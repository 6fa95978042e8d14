"""MagicVideo's U-Net of clips: a U-Net of images, and layers that tell frames apart.

Source: Zhou et al., "MagicVideo: Efficient Video Generation With Latent Diffusion Models", 2022.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ldm.networks.embedders import TimestepEmbedder
from ldm.networks.images.unet.attention import PixelAttention, SpatialTransformer, zero
from ldm.networks.images.unet.levels import Style
from ldm.networks.images.unet.unet import UNet
from ldm.networks.videos.magicvideo.layers import (
    AdaptedConv,
    DirectedAttention,
    Mask,
    WidenedConv,
)

__all__ = ["LiftedUNet"]


class DirectedPixels(PixelAttention):
    """Attention between the pixels of each frame, plus directed attention over time."""

    def __init__(self, time: DirectedAttention, frames: int, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.time, self.frames = time, frames

    def forward(self, x: Tensor, *told: Tensor | None) -> Float[Tensor, "n c h w"]:
        return super().forward(x, *told) + self.time(x, self.frames)


class DirectedTransformer(SpatialTransformer):
    """A transformer on the pixels of each frame, plus directed attention over time."""

    def __init__(self, time: DirectedAttention, frames: int, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.time, self.frames = time, frames

    def forward(self, x: Tensor, *told: Tensor | None) -> Float[Tensor, "n c h w"]:
        return super().forward(x, *told) + self.time(x, self.frames)


@dataclass(frozen=True)
class DirectedStyle(Style):
    """Options that all blocks of the U-Net share.

    Attributes:
        frames: of a clip.
        mask: see `DirectedAttention`.
    """

    frames: int
    mask: Mask

    @property
    def conv(self) -> Callable[..., nn.Module]:
        """Builds all convolutions, with their adaptors."""
        return partial(AdaptedConv, frames=self.frames)

    def attention(self, channels: int) -> nn.Module:
        """Build the attention that follows a residual block; heads must divide the channels."""
        heads = self.heads_of(channels)
        time = DirectedAttention(channels, heads, self.mask)
        if self.context:
            given = self.context, self.depth, self.linear
            return DirectedTransformer(time, self.frames, channels, heads, *given)
        return DirectedPixels(time, self.frames, channels, heads)


class LiftedUNet(UNet):
    """A `UNet` on every frame of a clip, with adaptors, directed attention and the frame rate.

    Its weights have the names of the U-Net of images, `checkpoint` takes them from one, and what is
    new begins so that the two are then equal, frame by frame: each convolution is followed by an
    adaptor that begins as the identity, and to each block of attention, as a whole, attention of
    frames to those before them is added, which begins as zero, as does the embedding of the frame
    rate. No other layer joins frames, so that no frame depends on later ones.

    Some frames may be given, see `ldm.priors.FrameConditional`: their latents, and a channel that
    says which they are, are concatenated to the noisy latents, as for networks that interpolate
    between key frames.

    Args:
        shape: shape of one latent, `(channels, frames, height, width)`. Sides may be any multiples
            of `2 ** (len(multipliers) - 1)`.
        mask: of attention over time, `causal`, or `printed` for the paper's formula.
        frames: of the clips that it denoises; None for those of `shape`.
        fps_shape: of the frame rate of a clip, a number; None for a network that is told none.
        given: True to be given frames.
        **options: of `UNet`.

    Raises:
        ValueError: as for `UNet`, or the latents have other axes or another number of frames.

    Example:
        >>> net = LiftedUNet([4, 3, 8, 8], width=32, multipliers=[1, 2], attention=[2], heads=4)
        >>> net(torch.zeros(2, 4, 3, 8, 8), torch.tensor([0, 999])).shape
        torch.Size([2, 4, 3, 8, 8])
    """

    def __init__(
        self,
        shape: Sequence[int] = (4, 16, 32, 32),
        mask: Mask = "causal",
        frames: int | None = None,
        fps_shape: Sequence[int] | None = None,
        given: bool = False,
        **options,
    ) -> None:
        if len(shape) != 4:
            raise ValueError(
                f"it denoises latents (channels, frames, height, width), found {tuple(shape)}: "
                f"choose data and a tokenizer of videos"
            )
        channels, length, *sides = shape
        self.frames, fps = frames or length, fps_shape is not None
        self.styled = partial(DirectedStyle, frames=self.frames, mask=mask)
        super().__init__([channels, *sides], **options)
        self.told["fps"], self.widened = fps, given
        embedding, width = self.style.embedding, self.conv_in.out_channels
        self.fps_embedder = TimestepEmbedder(embedding, waves=width) if fps else None
        if self.fps_embedder is not None:
            zero(self.fps_embedder.mlp[2])
        if given:
            further = {"further": channels + 1, "padding": 1, "frames": self.frames}
            self.conv_in = WidenedConv(channels, width, 3, **further)

    def forward(
        self,
        x: Float[Tensor, "b c t h w"],
        t: Float[Tensor, " b"] | Int[Tensor, " b"],
        label: Int[Tensor, " b"] | None = None,
        text: Float[Tensor, "b tokens d"] | None = None,
        text_mask: Bool[Tensor, "b tokens"] | None = None,
        fps: Float[Tensor, " b"] | None = None,
        frames: Float[Tensor, "b c t h w"] | None = None,
        frames_given: Bool[Tensor, "b t"] | None = None,
        frames_level: Int[Tensor, " b"] | None = None,
    ) -> Float[Tensor, "b c t h w"]:
        """Predict from noisy latents `x` at times `t`, in the unit of the process.

        Args:
            x, t, label, text, text_mask: as of `UNet`, of clips.
            fps: frames a second, of all frames of a clip.
            frames: latents of frames that are given; others are not read.
            frames_given: which they are; None for none.
            frames_level: not read: given frames are not noised.
        """
        if x.shape[2] != self.frames:
            raise ValueError(f"built for clips of {self.frames} latents, found {x.shape[2]}")
        self._check(x[:, :, 0], label, text=text, fps=fps)
        if frames is not None and not self.widened:
            raise ValueError("built with given=False, found frames that are given: set it")
        embedding, context = self.embed(t, label)
        if self.fps_embedder is not None:
            embedding = embedding + self.fps_embedder(fps)
        if self.widened:
            x = torch.cat([x, *_known(x, frames, frames_given)], 1)
        told = F.silu(embedding), text if context is None else context, text_mask
        each = [one if one is None else one.repeat_interleave(self.frames, 0) for one in told]
        h = self.through(rearrange(x, "b c t h w -> (b t) c h w"), *each)
        return rearrange(h, "(b t) c h w -> b c t h w", t=self.frames)


def _known(x: Tensor, frames: Tensor | None, given: Tensor | None) -> tuple[Tensor, Tensor]:
    """Latents of given frames, zero elsewhere, and which they are, as channels."""
    if frames is None or given is None:
        return torch.zeros_like(x), torch.zeros_like(x[:, :1])
    known = given[:, None, :, None, None].to(x.dtype).expand_as(x[:, :1])
    return frames.to(x.dtype) * known, known
