"""Rotary embeddings of positions: queries and keys turned by angles that grow with the place.

Source: Su et al., "RoFormer: Enhanced transformer with rotary position embedding", 2021.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Rotation", "rotary_angles", "rotated", "rotation_by"]

Rotation = Float[Tensor, "2 n features"]
"""Cosines, and sines, of the angles of each token's features."""


def rotary_angles(grid: Sequence[int], width: int, base: float = 1e4) -> Float[Tensor, "n width"]:
    """Angles by which pairs of a head's features are turned, in row-major order of tokens.

    On rows and columns, the first half of the pairs is turned by the row, the second by the column,
    at frequencies that fall from 1 geometrically (Su et al. 2021, RoPE, for each axis); both of a
    pair have one angle. On frames, rows and columns, row and column turn three eighths each, and
    the frame the pairs before them (Yang et al. 2025, CogVideoX). On a line, all turn by the place.

    Args:
        grid: places of a line; rows and columns; or frames, rows and columns.
        width: features of a head, a multiple of 2, with rows and columns of 4.
        base: of the frequencies.
    """
    pairs = width // 2
    side = 3 * pairs // 8
    counts = {1: [pairs], 2: [pairs // 2] * 2, 3: [pairs - 2 * side, side, side]}[len(grid)]
    angles = []
    for axis, (n, count) in enumerate(zip(grid, counts, strict=True)):
        frequency = base ** -(torch.arange(count, dtype=torch.float64) / count)
        angle = torch.arange(n, dtype=torch.float64)[:, None] * frequency
        places = [n if other == axis else 1 for other in range(len(grid))]
        angles.append(angle.view(*places, count).expand(*grid, count))
    return torch.cat(angles, -1).flatten(0, -2).repeat_interleave(2, 1)


def rotation_by(angles: Float[Tensor, "n width"]) -> Rotation:
    """Cosines and sines of angles."""
    return torch.stack([angles.cos(), angles.sin()])


def rotated(x: Float[Tensor, "... n d"], rotation: Rotation) -> Float[Tensor, "... n d"]:
    """Features with each pair of neighbours turned in its plane."""
    cosine, sine = rotation
    turned = torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2)
    return x * cosine.to(x.dtype) + turned * sine.to(x.dtype)
