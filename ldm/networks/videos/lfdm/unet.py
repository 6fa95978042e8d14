"""The U-Net of LFDM, which denoises flow and occlusion of clips.

Source: Ni et al., "Conditional image-to-video generation with latent flow diffusion models", 2023.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ldm.networks.videos.lfdm.attention import (
    LinearAttention,
    PlaceAttention,
    TimeAttention,
    TimeBias,
)

__all__ = ["FlowUNet"]

GROUPS = 8  # of group normalisation
EACH = (1, 3, 3)  # kernel of convolutions of each frame


class Convolved(nn.Module):
    """A convolution of each frame, group normalisation, scale and shift, SiLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(in_channels, out_channels, EACH, padding=(0, 1, 1))
        self.norm = nn.GroupNorm(GROUPS, out_channels)

    def forward(
        self, x: Float[Tensor, "b _ t h w"], style: tuple[Tensor, Tensor] | None = None
    ) -> Float[Tensor, "b _ t h w"]:
        x = self.norm(self.conv(x))
        if style is not None:
            scale, shift = style
            x = x * (scale + 1) + shift
        return nn.functional.silu(x)


class ResidualBlock(nn.Module):
    """Two convolutions with a skip connection; the first is scaled and shifted by a condition.

    Args:
        in_channels, out_channels: before and after.
        condition: width of the condition; 0 for none.
    """

    def __init__(self, in_channels: int, out_channels: int, condition: int = 0) -> None:
        super().__init__()
        self.style = nn.Linear(condition, 2 * out_channels) if condition else None
        self.first = Convolved(in_channels, out_channels)
        self.second = Convolved(out_channels, out_channels)
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else nn.Conv3d(in_channels, out_channels, 1)

    def forward(
        self, x: Float[Tensor, "b _ t h w"], condition: Float[Tensor, "b d"] | None = None
    ) -> Float[Tensor, "b _ t h w"]:
        style = None
        if self.style is not None:
            style = self.style(nn.functional.silu(condition))[..., None, None, None].chunk(2, 1)
        return self.skip(x) + self.second(self.first(x, style))


class Level(nn.Module):
    """Two residual blocks, attention over places and over time, and a change of resolution."""

    def __init__(
        self, in_channels: int, out_channels: int, condition: int, resize: nn.Module
    ) -> None:
        super().__init__()
        self.first = ResidualBlock(in_channels, out_channels, condition)
        self.second = ResidualBlock(out_channels, out_channels, condition)
        self.places, self.times = LinearAttention(out_channels), TimeAttention(out_channels)
        self.resize = resize

    def forward(self, x: Tensor, condition: Tensor, bias: Tensor) -> Float[Tensor, "b _ t h w"]:
        """Features before the change of resolution."""
        x = self.second(self.first(x, condition), condition)
        return self.times(self.places(x), bias)


class FlowUNet(nn.Module):
    """Denoises latents of `LatentFlow`, told the appearance of the first frame and a text.

    Frames meet in attention over time and in normalisation. Flow and occlusion have a head each.

    Args:
        shape: of the latents, `(3, frames, height, width)`.
        appearance_shape: of the features of the first frame, `(channels, height, width)`.
        width: channels of the finest level.
        multipliers: channels of each level divided by `width`, finest first.
        text_shape: tokens and width of an embedded text; None for a network that is told none.
        null_text: learn what stands for no text, in place of zeros, as for NATOPS.
        upsampling: `deconvolution`, or `nearest` and a convolution with reflected borders.

    Raises:
        ValueError: the latents are no clips of flow and occlusion, or `upsampling` is unknown.

    Example:
        >>> net = FlowUNet([3, 4, 8, 8], [6, 8, 8], width=8, multipliers=[1, 2])
        >>> net(torch.zeros(1, 3, 4, 8, 8), torch.tensor([3]), torch.zeros(1, 6, 8, 8)).shape
        torch.Size([1, 3, 4, 8, 8])
    """

    def __init__(
        self,
        shape: Sequence[int] = (3, 40, 32, 32),
        appearance_shape: Sequence[int] = (256, 32, 32),
        width: int = 64,
        multipliers: Sequence[int] = (1, 2, 4, 8),
        text_shape: Sequence[int] | None = None,
        null_text: bool = False,
        upsampling: str = "deconvolution",
    ) -> None:
        super().__init__()
        if len(shape) != 4 or shape[0] != 3:
            raise ValueError(
                f"it denoises (3, frames, height, width), flow and occlusion, found "
                f"{tuple(shape)}: choose the tokenizer lfdm"
            )
        if upsampling not in UPSAMPLINGS:
            raise ValueError(f"upsampling is one of {', '.join(UPSAMPLINGS)}, found {upsampling!r}")
        time, up = 4 * width, UPSAMPLINGS[upsampling]
        text = 0 if text_shape is None else text_shape[-1]
        condition = time + text
        widths = [width * one for one in multipliers]
        self.text, self.nearest = text, upsampling == "nearest"
        self.null = nn.Parameter(torch.randn(1, text)) if null_text else None
        self.bias = TimeBias()
        self.stem = nn.Conv3d(3 + appearance_shape[0], width, (1, 7, 7), padding=(0, 3, 3))
        self.stem_times = TimeAttention(width)
        self.time = nn.Sequential(nn.Linear(width, time), nn.GELU(), nn.Linear(time, time))
        pairs = list(enumerate(zip([width, *widths[:-1]], widths, strict=True)))
        last = len(pairs) - 1
        self.downs = nn.ModuleList(
            Level(a, b, condition, _down(b) if number < last else nn.Identity())
            for number, (a, b) in pairs
        )
        self.middle = nn.ModuleList(
            ResidualBlock(widths[-1], widths[-1], condition) for _ in range(2)
        )
        self.middle_places = PlaceAttention(widths[-1])
        self.middle_times = TimeAttention(widths[-1])
        self.ups = nn.ModuleList(
            Level(2 * b, a, condition, up(a) if number else nn.Identity())
            for number, (a, b) in reversed(pairs)
        )
        self.heads = nn.ModuleList(
            nn.ModuleList([ResidualBlock(2 * width, width), nn.Conv3d(width, channels, 1)])
            for channels in (2, 1)
        )

    def forward(
        self,
        x: Float[Tensor, "b 3 t h w"],
        t: Float[Tensor, " b"] | Int[Tensor, " b"],
        appearance: Float[Tensor, "b c h w"],
        text: Float[Tensor, "b tokens d"] | None = None,
        text_mask: Bool[Tensor, "b tokens"] | None = None,
    ) -> Float[Tensor, "b 3 t h w"]:
        """Predict from noisy latents `x` at times `t`, in the unit of the process.

        Args:
            x, t: of a clip.
            appearance: features of its first frame.
            text, text_mask: embedded tokens, and which of them are of the text.

        Raises:
            ValueError: a text is missing or unexpected.
        """
        if (text is not None) != (self.text > 0):
            raise ValueError(
                f"built {'for' if self.text else 'without'} text, found "
                f"{'one' if text is not None else 'none'}: condition the prior on what its network "
                f"was built for"
            )
        condition = self.time(waves(t, self.time[0].in_features, x.dtype))
        if text is not None:
            condition = torch.cat([condition, self._meaning(text, text_mask)], 1)
        still = appearance[:, :, None].expand(-1, -1, x.shape[2], -1, -1)
        bias = self.bias(x.shape[2])
        x = stem = self.stem_times(self.stem(torch.cat([x, still], 1)), bias)
        skips = []
        for level in self.downs:
            skips.append(level(x, condition, bias))
            x = level.resize(skips[-1])
        first, second = self.middle
        x = self.middle_times(self.middle_places(first(x, condition)), bias)
        x = second(x, condition)
        for level in self.ups:
            x = level.resize(level(torch.cat([x, skips.pop()], 1), condition, bias))
        x = torch.cat([x, stem], 1)
        return torch.cat([project(block(x)) for block, project in self.heads], 1)

    def _meaning(
        self, text: Float[Tensor, "b tokens d"], mask: Bool[Tensor, "b tokens"] | None
    ) -> Float[Tensor, "b d"]:
        """Mean of the tokens of a text behind its first, a class token; of no text the null."""
        mask = text.new_ones(text.shape[:2]) if mask is None else mask.to(text.dtype)
        mask = mask[:, 1:]
        count = mask.sum(1, keepdim=True)
        mean = (text[:, 1:] * mask[..., None]).sum(1) / count.clamp(min=1)
        null = torch.zeros_like(mean[:1]) if self.null is None else self.null
        return torch.where(count > 1, mean, null)  # an empty text has its end token alone


def _down(channels: int) -> nn.Module:
    return nn.Conv3d(channels, channels, (1, 4, 4), (1, 2, 2), (0, 1, 1))


def _deconvolution(channels: int) -> nn.Module:
    return nn.ConvTranspose3d(channels, channels, (1, 4, 4), (1, 2, 2), (0, 1, 1))


def _nearest(channels: int) -> nn.Module:
    pad = nn.ReflectionPad3d((1, 1, 1, 1, 0, 0))
    return nn.Sequential(
        nn.Upsample(scale_factor=(1, 2, 2)), pad, nn.Conv3d(channels, channels, EACH)
    )


UPSAMPLINGS = {"deconvolution": _deconvolution, "nearest": _nearest}


def waves(
    t: Float[Tensor, " b"] | Int[Tensor, " b"], width: int, dtype: torch.dtype
) -> Float[Tensor, "b width"]:
    """Sines, then cosines, of times at geometric frequencies from 1 to 1e-4."""
    exact = torch.promote_types(dtype, torch.float32)  # t reaches 1000 radians
    number = torch.arange(width // 2, device=t.device, dtype=exact)
    angle = t.to(exact)[:, None] * torch.exp(-math.log(1e4) / (width // 2 - 1) * number)
    return torch.cat([angle.sin(), angle.cos()], 1).to(dtype)
