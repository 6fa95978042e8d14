"""Cutting a batch of padded sets into parts of about equal size, where little padding is left."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

__all__ = ["by_size"]

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
