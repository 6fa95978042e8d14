"""Conditions that are real arrays: a coarse image, a property."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.conditioning.condition import Condition

__all__ = ["Array"]


class Array(Condition):
    """An array that conditions each sample; zeros are the null condition.

    Args:
        shape: of the array of one sample.
        rate: probability of dropping it in training; 0 for conditions that are always given.

    Example:
        >>> Array([1, 2, 2], rate=0.0).example(3).shape
        torch.Size([3, 1, 2, 2])
    """

    def __init__(self, shape: Sequence[int], rate: float = 0.0) -> None:
        super().__init__(rate)
        self.shape = tuple(shape)

    def null(self, value: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        return torch.zeros_like(value)

    def example(self, n: int) -> Float[Tensor, "n ..."]:
        return torch.zeros(n, *self.shape)
