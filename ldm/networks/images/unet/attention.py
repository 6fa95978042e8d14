"""Attention of the U-Net: between pixels, and of pixels to a sequence such as an embedded text.

Sources: Dhariwal and Nichol 2021 (pixels), Rombach et al. 2022, appendix E.2.1 (sequences).
"""

from collections import OrderedDict

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ldm.networks.images.layers import group_norm
from ldm.networks.images.unet.residual import EPS
from ldm.networks.transformer import attention

__all__ = ["GEGLU", "PixelAttention", "SpatialTransformer", "TransformerLayer", "zero"]


class PixelAttention(nn.Module):
    """Multi-head self-attention between all pixels with a residual connection; zero at the start.

    The queries, keys and values of one head follow each other, as in published weights.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = group_norm(channels, eps=EPS)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj_out = zero(nn.Linear(channels, channels))

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        context: Float[Tensor, "b m d"] | None = None,
        mask: Bool[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "b c h w"]:
        qkv = self.qkv(rearrange(self.norm(x), "b c h w -> b (h w) c"))
        q, k, v = rearrange(qkv, "b n (h k d) -> k b h n d", h=self.heads, k=3)
        h = self.proj_out(rearrange(attention(q, k, v), "b h n d -> b n (h d)"))
        return x + rearrange(h, "b (h w) c -> b c h w", h=x.shape[2])


class Attention(nn.Module):
    """Layer normalisation, then multi-head attention to a sequence, or among the tokens."""

    def __init__(self, width: int, heads: int, context: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.q = nn.Linear(width, width, bias=False)
        self.k = nn.Linear(context or width, width, bias=False)
        self.v = nn.Linear(context or width, width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        context: Float[Tensor, "b m e"] | None = None,
        mask: Bool[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "b _ d"]:
        if context is not None and context.shape[1] == 1 and mask is None:
            return self.proj(self.v(context))  # all attend to one place, whatever they ask
        x = self.norm(x)
        context = x if context is None else context
        parts = self.q(x), self.k(context), self.v(context)
        q, k, v = (rearrange(part, "b n (h d) -> b h n d", h=self.heads) for part in parts)
        return self.proj(rearrange(attention(q, k, v, mask), "b h n d -> b n (h d)"))


class GEGLU(nn.Module):
    """A linear layer gated by the GELU of another (Shazeer 2020)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.proj = nn.Linear(inputs, 2 * outputs)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n e"]:
        x, gate = self.proj(x).chunk(2, dim=2)
        return x * F.gelu(gate)


class TransformerLayer(nn.Module):
    """Attention among the pixels, attention to a sequence, and a perceptron 4 times as wide."""

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.pixels = Attention(width, heads)
        self.sequence = Attention(width, heads, context)
        layers = OrderedDict(
            norm=nn.LayerNorm(width), gate=GEGLU(width, 4 * width), out=nn.Linear(4 * width, width)
        )
        self.mlp = nn.Sequential(layers)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        context: Float[Tensor, "b m e"],
        mask: Bool[Tensor, "b m"] | None,
    ) -> Float[Tensor, "b n d"]:
        x = x + self.pixels(x)
        x = x + self.sequence(x, context, mask)
        return x + self.mlp(x)


class SpatialTransformer(nn.Module):
    """A residual transformer on pixels that attend to a sequence; its output starts as zero.

    Args:
        channels: channels of the pixels.
        heads: attention heads.
        context: width of the sequence.
        depth: number of layers.
        linear: keep the projections before and after as matrices, as Stable Diffusion 2 does; they
            are 1x1 convolutions otherwise.
    """

    def __init__(
        self, channels: int, heads: int, context: int, depth: int = 1, linear: bool = False
    ) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        matrix = nn.Linear if linear else _convolution
        self.proj_in = matrix(channels, channels)
        self.layers = nn.ModuleList(
            TransformerLayer(channels, heads, context) for _ in range(depth)
        )
        self.proj_out = zero(matrix(channels, channels))

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        context: Float[Tensor, "b m d"],
        mask: Bool[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "b c h w"]:
        h = _project(self.proj_in, rearrange(self.norm(x), "b c h w -> b (h w) c"))
        for layer in self.layers:
            h = layer(h, context, mask)
        return x + rearrange(_project(self.proj_out, h), "b (h w) c -> b c h w", h=x.shape[2])


def zero(layer: nn.Module) -> nn.Module:
    """Set the weights and biases of a layer to zero, so that what it adds is nothing at first."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1)


def _project(layer: nn.Linear | nn.Conv2d, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n e"]:
    """Apply a linear layer or a 1x1 convolution to tokens."""
    return F.linear(x, layer.weight.flatten(1), layer.bias)
