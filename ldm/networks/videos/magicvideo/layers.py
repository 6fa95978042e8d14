"""What MagicVideo adds to layers of images: an adaptor a frame, and directed attention over time.

Source: Zhou et al., "MagicVideo: Efficient Video Generation With Latent Diffusion Models", 2022,
section 3.2. Frames are part of the batch: frame `i` of clip `j` is image `j * frames + i`.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["AdaptedConv", "DirectedAttention", "Mask", "WidenedConv"]

Mask = Literal["causal", "printed"]
"""Which frames attend to which, see `DirectedAttention`."""


class AdaptedConv(nn.Conv2d):
    """A convolution that all frames share, whose output each frame scales and shifts by its own.

    `z_i -> S_i * conv(z_i) + B_i`, with a number for each channel and frame `i` in S and in B. It
    begins as the convolution, S = 1 and B = 0; that S and B are per channel is as recalled.

    Args:
        inputs, outputs, kernel, **options: of `nn.Conv2d`.
        frames: of a clip.

    Example:
        >>> AdaptedConv(3, 8, 3, padding=1, frames=4)(torch.zeros(2 * 4, 3, 5, 5)).shape
        torch.Size([8, 8, 5, 5])
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, frames: int, **options) -> None:
        super().__init__(inputs, outputs, kernel, **options)
        self.scale = nn.Parameter(torch.ones(frames, outputs, 1, 1))
        self.shift = nn.Parameter(torch.zeros(frames, outputs, 1, 1))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _ _ _"]:
        return self.adapted(super().forward(x))

    def adapted(self, out: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Scale and shift what the convolution gives for each frame."""
        scale, shift = self.scale.to(out.dtype), self.shift.to(out.dtype)
        return torch.addcmul(shift, out.unflatten(0, (-1, len(scale))), scale).flatten(0, 1)


class WidenedConv(AdaptedConv):
    """An adapted convolution that reads further channels behind its own, at first with weights 0.

    It is the convolution of all channels together. Its weights are in two parts, so that those of
    a network without the further channels fit.

    Args:
        inputs, outputs, kernel, **options: as of `AdaptedConv`.
        further: number of further channels.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, further: int, **options) -> None:
        super().__init__(inputs, outputs, kernel, **options)
        shape = outputs, further, *self.kernel_size
        self.further = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Float[Tensor, "n _ h w"]) -> Float[Tensor, "n _ _ _"]:
        whole = torch.cat([self.weight, self.further], 1)
        return self.adapted(self._conv_forward(x, whole, self.bias))


class DirectedAttention(nn.Module):
    """Multi-head attention over time at each place, of a frame to itself and those before it.

    Its output begins as zero, and is added to other features.

    Args:
        channels: of the features.
        heads: attention heads.
        mask: `causal` gives weights to keys up to the query's frame alone, that sum to 1. `printed`
            is the paper's formula by the letter, `softmax(q k / sqrt(d)) * M` with `M[p, q] = 0`
            where `p > q`: weights are cut after the softmax, so that they sum to less than 1, and
            of frames before the query, which contradicts its text.
    """

    def __init__(self, channels: int, heads: int, mask: Mask = "causal") -> None:
        super().__init__()
        self.heads, self.mask = heads, mask
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.proj = nn.Linear(channels, channels)
        nn.init.zeros_(self.proj.weight)
        nn.init.zeros_(self.proj.bias)

    def forward(self, x: Float[Tensor, "n c h w"], frames: int) -> Float[Tensor, "n c h w"]:
        """What is added to the features of clips of so many frames."""
        rows = rearrange(x, "(b t) c h w -> (b h w) t c", t=frames)
        parts = self.qkv(self.norm(rows)).chunk(3, dim=2)
        q, k, v = (rearrange(part, "n t (h d) -> n h t d", h=self.heads) for part in parts)
        if self.mask == "causal":
            out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            out = (q @ k.mT * q.shape[3] ** -0.5).softmax(3).triu() @ v
        out = self.proj(rearrange(out, "n h t d -> n t (h d)"))
        return rearrange(out, "(b h w) t c -> (b t) c h w", h=x.shape[2], w=x.shape[3])
