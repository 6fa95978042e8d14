"""Patch embedding and fixed position embedding for transformers on images and videos.

Source: Peebles and Xie, "Scalable diffusion models with transformers", 2023, section 3.2.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["PatchEmbedder", "joined", "position_embedding"]

WEIGHTS = {2: nn.Conv2d, 3: nn.Conv3d}
"""Modules whose weights, and published names, are those of patches with so many axes."""


def position_embedding(grid: Sequence[int], width: int) -> Float[Tensor, "1 tokens width"]:
    """Sines and cosines of each token's column (first half of the features) and row (second half).

    Frequencies fall geometrically from 1 to 1e-4 radians a token. On a grid of frames, rows and
    columns, sines and cosines of the frame, in all features, are added.
    """
    *frames, rows, columns = grid
    row, column = (_waves(n, width // 4) for n in (rows, columns))
    both = [column.expand(rows, -1, -1), row[:, None].expand(-1, columns, -1)]
    places = torch.cat(both, 2).flatten(0, 1)
    if frames:
        places = (_waves(*frames, width // 2)[:, None] + places).flatten(0, 1)
    return places[None].float()


def _waves(n: int, frequencies: int) -> Float[Tensor, "n waves"]:
    """Sines, then cosines, of the first `n` whole numbers at falling frequencies."""
    frequency = 1e4 ** -(torch.arange(frequencies, dtype=torch.float64) / frequencies)
    angle = torch.arange(n, dtype=torch.float64)[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], 1)


class PatchEmbedder(nn.Module):
    """Linear map of non-overlapping patches to tokens, in row-major order.

    Args:
        in_channels: channels of the grid.
        patch: sides of a patch, one for each axis of the grid.
        width: of a token.
    """

    def __init__(self, in_channels: int, patch: Sequence[int], width: int) -> None:
        super().__init__()
        self.proj = WEIGHTS[len(patch)](in_channels, width, tuple(patch), tuple(patch))

    def forward(self, x: Float[Tensor, "b c *grid"]) -> Float[Tensor, "b n d"]:
        # A convolution would leave features apart in memory, which layers then keep: slower to
        # normalise, and a gradient whose order DDP has to change.
        patches = _cut(x, self.proj.kernel_size)
        return F.linear(patches, self.proj.weight.flatten(1), self.proj.bias)


def _cut(x: Float[Tensor, "b c *grid"], patch: Sequence[int]) -> Float[Tensor, "b n values"]:
    """Values of each patch: channels first, in row-major order."""
    axes = len(patch)
    sides = [one for n, p in zip(x.shape[2:], patch, strict=True) for one in (n // p, p)]
    cut = x.reshape(*x.shape[:2], *sides)
    tokens, inside = range(2, 2 + 2 * axes, 2), range(3, 3 + 2 * axes, 2)
    return cut.permute(0, *tokens, 1, *inside).flatten(axes + 1).flatten(1, axes)


def joined(
    values: Float[Tensor, "b n values"], grid: Sequence[int], patch: Sequence[int]
) -> Float[Tensor, "b c *sides"]:
    """Put patches together whose values have the channels last, in row-major order."""
    axes = len(patch)
    cut = values.unflatten(2, (*patch, -1)).unflatten(1, tuple(grid))
    pairs = [one for axis in range(1, axes + 1) for one in (axis, axis + axes)]
    sides = [n * p for n, p in zip(grid, patch, strict=True)]
    return cut.permute(0, 2 * axes + 1, *pairs).reshape(len(values), -1, *sides)
