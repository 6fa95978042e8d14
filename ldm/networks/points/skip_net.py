"""A U-Net without downsampling, shared by the networks for vectors and for lattices.

Source: Lou et al., "Scaling Riemannian diffusion models", 2023, experiments on hyperspheres and
lattices.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.embedders import TimestepEmbedder

__all__ = ["Attention", "SkipNet"]

Layer = Callable[[int, int], nn.Module]
Norm = Callable[[int], nn.Module]


class Block(nn.Module):
    """Two normalised layers with a skip connection; the time embedding is added between them."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        condition: int,
        dropout: float,
        layer: Layer,
        mix: Layer,
        norm: Norm,
    ) -> None:
        super().__init__()
        self.norm1 = norm(in_channels)
        self.layer1 = layer(in_channels, out_channels)
        self.cond_map = nn.Linear(condition, out_channels, bias=False)
        self.norm2 = norm(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.layer2 = layer(out_channels, out_channels)
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else mix(in_channels, out_channels)

    def forward(
        self, x: Float[Tensor, "n _ *grid"], condition: Float[Tensor, "n _"]
    ) -> Float[Tensor, "n _ *grid"]:
        shift = self.cond_map(condition)
        h = self.layer1(F.silu(self.norm1(x))) + shift.view(*shift.shape, *[1] * (x.ndim - 2))
        return self.skip(x) + self.layer2(self.dropout(F.silu(self.norm2(h))))


class Attention(nn.Module, ABC):
    """Single-head self-attention with a residual connection; subclasses define the tokens."""

    def __init__(self, channels: int, mix: Layer, norm: Norm) -> None:
        super().__init__()
        self.norm = norm(channels)
        self.qkv = mix(channels, 3 * channels)
        self.proj_out = mix(channels, channels)

    def forward(self, x: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n c *grid"]:
        q, k, v = (self.tokens(part) for part in self.qkv(self.norm(x)).chunk(3, 1))
        # Fused kernels lack forward-mode derivatives, which divergences need.
        h = (q @ k.mT * q.shape[2] ** -0.5).softmax(2) @ v
        return x + self.proj_out(self.channels(h).reshape(x.shape))

    @abstractmethod
    def tokens(self, x: Float[Tensor, "n c *grid"]) -> Float[Tensor, "n tokens _"]:
        """Reshape `x` to the tokens that attend to each other."""

    @abstractmethod
    def channels(self, h: Float[Tensor, "n tokens _"]) -> Float[Tensor, "n c _"]:
        """Invert `tokens`; the grid may stay flattened."""


class SkipNet(nn.Module):
    """Residual blocks down and up at one resolution, with long skips and attention in the middle.

    Args:
        values: input and output channels.
        width: channels of every block.
        depth: blocks on the way down; there is one more on the way up, for the skip from the first
            layer.
        condition: width of the time embedding.
        dropout: dropout probability in every block.
        layer, mix, norm: constructors of a layer, of one that mixes channels only, and of a
            normalisation.
        attention: the attention of the middle.
    """

    def __init__(
        self,
        values: int,
        width: int,
        depth: int,
        condition: int,
        dropout: float,
        layer: Layer,
        mix: Layer,
        norm: Norm,
        attention: Attention,
    ) -> None:
        super().__init__()

        def block(channels: int) -> Block:
            return Block(channels, width, condition, dropout, layer, mix, norm)

        self.cond_map = TimestepEmbedder(condition)
        self.stem = layer(values, width)
        self.down = nn.ModuleList(block(width) for _ in range(depth))
        self.mid1, self.midattn, self.mid2 = block(width), attention, block(width)
        self.up = nn.ModuleList(block(2 * width) for _ in range(depth + 1))
        self.out = nn.Sequential(norm(width), nn.SiLU(), layer(width, values))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights from N(0, 1 / fan-in); zero in time shifts, attention's end and output."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, Block):
                nn.init.zeros_(module.cond_map.weight)
        nn.init.zeros_(self.midattn.proj_out.weight)
        nn.init.zeros_(self.out[2].weight)

    def forward(self, x: Float[Tensor, "n c *grid"], t: Tensor) -> Float[Tensor, "n c *grid"]:
        """Evaluate at `x` and times `t`, embedded as timesteps 1000 t."""
        condition = self.cond_map(1000 * t)
        h = self.stem(x)
        skips = [h]
        for block in self.down:
            h = block(h, condition)
            skips.append(h)
        h = self.mid2(self.midattn(self.mid1(h, condition)), condition)
        for block in self.up:
            h = block(torch.cat([h, skips.pop()], 1), condition)
        return self.out(h)
