"""Patch embedding and fixed position embedding for transformers on images.

Source: Peebles and Xie, "Scalable diffusion models with transformers", 2023, section 3.2.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["PatchEmbedder", "position_embedding"]


def position_embedding(grid: Sequence[int], width: int) -> Float[Tensor, "1 tokens width"]:
    """Sines and cosines of each token's column (first half of the features) and row (second half).

    Frequencies fall geometrically from 1 to 1e-4 radians a token.
    """
    frequency = 1e4 ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    row, column = (torch.arange(n, dtype=torch.float64)[:, None] * frequency for n in grid)
    row, column = (torch.cat([angle.sin(), angle.cos()], 1) for angle in (row, column))
    both = [column.expand(grid[0], -1, -1), row[:, None].expand(-1, grid[1], -1)]
    return torch.cat(both, 2).flatten(0, 1)[None].float()


class PatchEmbedder(nn.Module):
    """Linear map of non-overlapping square patches to tokens, in row-major order."""

    def __init__(self, in_channels: int, patch: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, width, patch, patch)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n d"]:
        # A convolution would leave features apart in memory, which layers then keep: slower to
        # normalise, and a gradient whose order DDP has to change.
        size = self.proj.kernel_size[0]
        patches = rearrange(x, "b c (h p) (w q) -> b (h w) (c p q)", p=size, q=size)
        return F.linear(patches, self.proj.weight.flatten(1), self.proj.bias)
