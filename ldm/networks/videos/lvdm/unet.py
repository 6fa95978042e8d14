"""The factorised U-Net of LVDM, which denoises latents of clips.

Source: He et al., "Latent Video Diffusion Models for High-Fidelity Long Video Generation", 2022.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ldm.networks.embedders import LabelEmbedder, TimestepEmbedder
from ldm.networks.images.unet.hourglass import Hourglass
from ldm.networks.images.unet.levels import Style
from ldm.networks.videos.lvdm.attention import SpaceTimeAttention, SpaceTimeTransformer
from ldm.networks.videos.lvdm.positions import Positions

__all__ = ["FrameConvolution", "SpaceTimeUNet"]


class FrameConvolution(nn.Conv3d):
    """A convolution within each frame of a clip."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0
    ) -> None:
        within = (1, kernel, kernel), (1, stride, stride), (0, padding, padding)
        super().__init__(inputs, outputs, *within)


@dataclass(frozen=True)
class SpaceTimeStyle(Style):
    """Options that all blocks of a factorised U-Net share.

    Attributes:
        frames, positions: see `RelativeAttention`.
    """

    frames: int
    positions: Positions
    conv: ClassVar[Callable[..., nn.Module]] = FrameConvolution

    def attention(self, channels: int) -> nn.Module:
        """Build the attention that follows a residual block; heads must divide the channels."""
        given = channels, self.heads_of(channels)
        if self.context:
            return SpaceTimeTransformer(*given, self.context, self.frames, self.positions)
        return SpaceTimeAttention(*given, self.frames, self.positions)


class SpaceTimeUNet(Hourglass):
    """A U-Net of clips: convolutions within frames, attention within frames and along time.

    It is the U-Net of images, applied to each frame, with attention along time; group
    normalisation is over all frames of a clip. Any number of frames is denoised, which only keeps
    its resolution: sides may be any multiples of `2 ** (len(multipliers) - 1)`. A new network gives
    zero. Told a text, its attention is that of LVDM's network of texts.

    Some frames may be given, see `ldm.priors.FrameConditional`. They replace those of the noisy
    latent; one more channel says which they are, and their noise level is added to the time
    embedding.

    Args:
        shape: shape of one latent, `(channels, frames, height, width)`.
        width: channels of the first convolution.
        multipliers: channels of each level divided by `width`, finest level first.
        blocks: residual blocks of a level on the way down; there is one more on the way up.
        attention: downsampling factors of the levels with attention.
        heads: attention heads.
        scale_shift: let the time embedding scale features, too.
        frames: largest distance in time that attention knows; None for the frames of `shape`.
        positions: `transposed`, as published, or `shaw`; see `RelativeAttention`.
        noise_levels: of frames that are given; 0 where none ever are.
        text_shape: tokens and width of an embedded text; None for none.

    Raises:
        ValueError: `heads` does not divide channels, channels are not multiples of 32, or an input
            is missing, unexpected or of other sides.

    Example:
        >>> net = SpaceTimeUNet([4, 4, 8, 8], width=32, multipliers=[1, 2], attention=[2])
        >>> net(torch.zeros(2, 4, 4, 8, 8), torch.tensor([0, 999])).shape
        torch.Size([2, 4, 4, 8, 8])
    """

    def __init__(
        self,
        shape: Sequence[int] = (4, 4, 32, 32),
        width: int = 256,
        multipliers: Sequence[int] = (1, 2, 3, 4),
        blocks: int = 3,
        attention: Sequence[int] = (2, 4, 8),
        heads: int = 4,
        scale_shift: bool = True,
        frames: int | None = None,
        positions: Positions = "transposed",
        noise_levels: int = 0,
        text_shape: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if len(shape) != 4:
            raise ValueError(
                f"it denoises latents (channels, frames, height, width), found {tuple(shape)}: "
                f"choose data and a tokenizer of videos"
            )
        channels, embedding = shape[0], 4 * width
        self.channels, self.noise_levels = channels, noise_levels
        self.told = text_shape is not None
        context = text_shape[-1] if text_shape is not None else 0
        common = (embedding, context, heads, None, 1, True, scale_shift, False)
        style = SpaceTimeStyle(*common, shape[1] if frames is None else frames, positions)
        self.t_embedder = TimestepEmbedder(embedding, waves=width)
        self.level_embedder = LabelEmbedder(noise_levels, embedding) if noise_levels else None
        inputs = channels + (noise_levels > 0)
        self.build(style, inputs, channels, width, multipliers, blocks, attention)

    def forward(
        self,
        x: Float[Tensor, "b c t h w"],
        t: Float[Tensor, " b"] | Int[Tensor, " b"],
        text: Float[Tensor, "b tokens d"] | None = None,
        text_mask: Bool[Tensor, "b tokens"] | None = None,
        frames: Float[Tensor, "b c t h w"] | None = None,
        frames_given: Bool[Tensor, "b t"] | None = None,
        frames_level: Int[Tensor, " b"] | None = None,
    ) -> Float[Tensor, "b c t h w"]:
        """Predict from noisy latents `x` at times `t`, in the unit of the process.

        Args:
            x, t: of all frames but those that are given.
            text, text_mask: embedded tokens, and which of them are of the text.
            frames: noised latents of the frames that are given; others are not read.
            frames_given: which they are; None for none.
            frames_level: time to which they are noised; negative for none.
        """
        self._check(x, text, frames_given)
        embedding = self.t_embedder(t)
        if self.level_embedder is not None:
            known = x.new_zeros(len(x), 1, x.shape[2], 1, 1)
            if frames_given is not None:
                known = frames_given[:, None, :, None, None]
                x = torch.where(known, frames, x)
                level = self.level_embedder(frames_level.clamp(min=0))
                embedding = embedding + level * (frames_level >= 0)[:, None]
            x = torch.cat([x, known.to(x.dtype).expand_as(x[:, :1])], 1)
        return self.through(x, F.silu(embedding), text, text_mask)

    def _check(self, x: Tensor, text: Tensor | None, given: Tensor | None) -> None:
        channels, _, *sides = x.shape[1:]
        if channels != self.channels or any(side % self.downsampling for side in sides):
            raise ValueError(
                f"built for latents of {self.channels} channels whose sides are multiples of "
                f"{self.downsampling}, found {tuple(x.shape[1:])}"
            )
        if (text is not None) != self.told:
            raise ValueError(
                f"built {'for' if self.told else 'without'} text, found "
                f"{'one' if text is not None else 'none'}: condition the prior on what its network "
                f"was built for"
            )
        if given is not None and self.level_embedder is None:
            raise ValueError("built with noise_levels=0, found frames that are given: set it")
