"""Cutting a batch of padded sets into parts of about equal size, where little padding is left."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor

__all__ = ["by_size", "cut", "in_parts"]

NARROWER = 0.85
"""Sets are put with larger ones down to this share of the largest: 28 % of the pairs are empty."""


def by_size(mask: Bool[Tensor, "b places"]) -> list[tuple[Int[Tensor, " rows"] | slice, int]]:
    """Sort the rows of a batch into parts, the largest sets first; with how many places each needs.

    A network of all pairs of points takes each part on its own, cut to its places: QM9's molecules
    have fewer than half of the pairs that batches padded to the largest have.

    Example:
        >>> by_size(torch.tensor([[True, False, False], [True, True, True], [True, False, False]]))
        [(tensor([1]), 3), (tensor([0, 2]), 1)]
    """
    if mask.is_meta or not len(mask):  # no numbers to look at
        return [(slice(None), mask.shape[1])]
    last = torch.arange(1, mask.shape[1] + 1, device=mask.device)
    lengths, order = (mask * last).amax(1).sort(descending=True, stable=True)
    parts: list[tuple[Tensor, int]] = []
    start, sizes = 0, lengths.tolist()
    for row, size in enumerate([*sizes, -1]):
        if size < NARROWER * sizes[start]:
            parts.append((order[start:row], max(sizes[start], 1)))
            start = row
    return parts


def in_parts(
    network: Callable[..., Any],
    mask: Bool[Tensor, "b places"],
    points: Sequence[Tensor],
    sets: Sequence[Tensor] = (),
) -> Any:
    """Call a network on the parts of a batch of padded sets, and put together what it gives.

    Args:
        network: of the points and the sets of some rows; gives a tensor `(rows, n, ...)`, or a
            tuple of such, with zeros in empty places.
        mask: of the places that are occupied.
        points: tensors `(b, places, ...)`, of which the network is given the first n places.
        sets: tensors `(b, ...)`, of which it is given the rows.
    """
    parts = by_size(mask)
    found = [
        network(*(one[rows, :n] for one in points), *(one[rows] for one in sets))
        for rows, n in parts
    ]
    if isinstance(parts[0][0], slice):
        return found[0]
    back = torch.cat([rows for rows, _ in parts]).argsort()
    if isinstance(found[0], Tensor):
        return _padded(found, mask.shape[1])[back]
    return tuple(_padded(one, mask.shape[1])[back] for one in zip(*found, strict=True))


def cut(
    network: Callable[..., Tensor], mask: Bool[Tensor, "b places"], x: Tensor, *sets: Tensor
) -> Tensor:
    """Call a network on a batch of padded sets, cut to the places that any of them needs.

    For networks of single points or attention, which gain little from `in_parts`: on a CPU, each
    new shape of a matrix product in half precision takes as long as several of a known one.

    Args:
        network: of x, the mask and the sets; gives a tensor `(b, n, ...)`.
        mask: of the places that are occupied.
        x: `(b, places, ...)`.
        sets: tensors that are handed on as they are.
    """
    places = mask.shape[1]
    last = torch.arange(1, places + 1, device=mask.device)
    n = places if mask.is_meta or not len(mask) else max(int((mask * last).max()), 1)
    return _padded([network(x[:, :n], mask[:, :n], *sets)], places)


def _padded(parts: Sequence[Tensor], places: int) -> Tensor:
    """Parts of different lengths as one tensor, with zeros after the shorter ones."""
    widen = [(*(0, 0) * (part.ndim - 2), 0, places - part.shape[1]) for part in parts]
    return torch.cat([F.pad(part, pad) for part, pad in zip(parts, widen, strict=True)])
