"""Class labels."""

import torch
from jaxtyping import Int
from torch import Tensor

from ldm.conditioning.condition import Condition

__all__ = ["Labels"]


class Labels(Condition):
    """Class labels, randomly replaced by a null label in training (Ho and Salimans 2022).

    Args:
        classes: number of classes; the null label is this number.
        rate: probability of dropping a label in training.

    Raises:
        ValueError: there are no classes, or `rate` is not in [0, 1].

    Example:
        >>> Labels(10).null(torch.tensor([3, 4]))
        tensor([10, 10])
    """

    def __init__(self, classes: int, rate: float = 0.1) -> None:
        super().__init__(rate)
        if classes < 1:
            raise ValueError(
                f"labels need 1 class or more, and the data has {classes}: use labelled data, or "
                f"set prior.conditioning=null"
            )
        self.classes = classes

    def null(self, value: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
        return torch.full_like(value, self.classes)

    def example(self, n: int) -> Int[Tensor, " n"]:
        return torch.arange(n) % self.classes
