"""Codes as numbers whose digits are the levels of the channels, the first the least significant."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ldm.bottlenecks.codebook import usage

__all__ = ["COUNTED", "count_codes", "digit_usage", "to_codes", "to_digits"]

COUNTED = 1 << 20  # codes; the usage of more is not counted, since a batch uses hardly any of them


def count_codes(levels: Sequence[int]) -> int:
    """Product of the channels' levels.

    Raises:
        ValueError: a channel has no level, or there are 2^63 codes or more.
    """
    if min(levels) < 1:
        raise ValueError(f"every channel needs 1 level or more, got {list(levels)}")
    total = 1
    for level in levels:
        total *= level
    if total >= 1 << 63:
        raise ValueError(
            f"{len(levels)} channels of {max(levels)} levels have more codes than a whole "
            f"number of 64 bits can count: take fewer channels or levels"
        )
    return total


def to_codes(
    digits: Int[Tensor, "batch channels *grid"], levels: Sequence[int]
) -> Int[Tensor, "batch *grid 1"]:
    """Number the digits of each token, which run from 0 to its channel's levels less 1."""
    weights = _weights(levels, digits).view(-1, *[1] * (digits.ndim - 2))
    return (digits * weights).sum(1)[..., None]


def to_digits(
    codes: Int[Tensor, "batch *grid 1"], levels: Sequence[int]
) -> Int[Tensor, "batch channels *grid"]:
    """Invert `to_codes`."""
    sizes = torch.tensor(levels, device=codes.device)
    return (codes // _weights(levels, codes) % sizes).movedim(-1, 1)


def digit_usage(
    codes: Int[Tensor, "..."], vocabulary: int, counted: Bool[Tensor, "..."] | None = None
) -> dict[str, Tensor]:
    """Compute `usage` of a batch; nothing where there are over a million codes."""
    return usage(codes, vocabulary, counted) if vocabulary <= COUNTED else {}


def _weights(levels: Sequence[int], like: Tensor) -> Tensor:
    weights = [1]
    for level in levels[:-1]:
        weights.append(weights[-1] * level)
    return torch.tensor(weights, device=like.device)
