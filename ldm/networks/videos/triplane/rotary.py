"""Angles of rotary embeddings of time and of places, as the weights of PVDM depend on them.

Sources: Su et al., "RoFormer", 2021, for time; Bertasius et al., "Is Space-Time Attention All You
Need for Video Understanding?", 2021, in the community's code, for axial ones of places.
"""

import math

import torch
from torch import Tensor

__all__ = ["space_angles", "time_angles"]

LARGEST = 10.0
"""Twice the highest frequency of places, in half turns per side of a frame."""


def time_angles(t: int, width: int, device: torch.device | str | None = None) -> Tensor:
    """Angles `(t, width)` of the numbers of a query or key at each time.

    Published quirk: the frequencies are repeated as halves, but pairs of neighbours are turned, so
    the two numbers of a pair have different angles, and products of queries and keys do not
    depend on the distance of their times alone.
    """
    frequency = 1e4 ** (-torch.arange(0, width, 2, device=device) / width)
    angles = torch.arange(t, device=device)[:, None] * frequency
    return torch.cat([angles, angles], 1)


def space_angles(h: int, w: int, width: int, device: torch.device | str | None = None) -> Tensor:
    """Angles `(h w, width)` of the numbers of a query or key at each place: rows, then columns."""
    frequency = torch.logspace(0, math.log2(LARGEST / 2), width // 4, base=2.0, device=device)
    rows, columns = (torch.linspace(-1, 1, n, device=device)[:, None] * frequency for n in (h, w))
    both = rows[:, None].expand(h, w, -1), columns[None].expand(h, w, -1)
    return math.pi * torch.cat(both, 2).flatten(0, 1).repeat_interleave(2, 1)
