"""What transformers on grids read: patches, places, timesteps and labels as vectors.

Source: Peebles and Xie, "Scalable diffusion models with transformers", 2023, section 3.2.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["LabelEmbedder", "PatchEmbedder", "TimestepEmbedder", "position_embedding"]

FREQUENCIES = 256


def position_embedding(grid: Sequence[int], width: int) -> Float[Tensor, "1 tokens width"]:
    """Sines and cosines of each token's place: the column in the first half, the row in the second.

    Frequencies fall geometrically from 1 to 1e-4 radians a token.
    """
    frequency = 1e4 ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    row, column = (torch.arange(n, dtype=torch.float64)[:, None] * frequency for n in grid)
    row, column = (torch.cat([angle.sin(), angle.cos()], 1) for angle in (row, column))
    both = [column.expand(grid[0], -1, -1), row[:, None].expand(-1, grid[1], -1)]
    return torch.cat(both, 2).flatten(0, 1)[None].float()


class PatchEmbedder(nn.Module):
    """Non-overlapping patches to tokens, row by row."""

    def __init__(self, in_channels: int, patch: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, width, patch, patch)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n d"]:
        return self.proj(x).flatten(2).transpose(1, 2)


class TimestepEmbedder(nn.Module):
    """Timesteps, whole or fractional, to vectors."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Float[Tensor, " b"] | Int[Tensor, " b"]) -> Float[Tensor, "b d"]:
        # At least single precision, even in a half-precision network: t goes up to 1000 radians.
        t = t.to(torch.promote_types(self.mlp[0].weight.dtype, torch.float32))
        half = FREQUENCIES // 2
        frequency = torch.exp(
            torch.arange(half, dtype=t.dtype, device=t.device) * (-math.log(1e4) / half)
        )
        angle = t[:, None] * frequency
        waves = torch.cat([angle.cos(), angle.sin()], 1)
        return self.mlp(waves.to(self.mlp[0].weight.dtype))


class LabelEmbedder(nn.Module):
    """Class labels to vectors; the last row stands for no label."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.embedding_table = nn.Embedding(classes + 1, width)

    def forward(self, label: Int[Tensor, " b"]) -> Float[Tensor, "b d"]:
        return self.embedding_table(label)
