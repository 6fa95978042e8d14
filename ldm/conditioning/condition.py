"""One thing that a prior may be told about a sample, and what stands for not being told."""

from abc import ABC, abstractmethod

from torch import Tensor

__all__ = ["Condition"]


class Condition(ABC):
    """A condition that training drops now and then: guidance needs the empty one, too.

    Args:
        rate: share of samples whose condition is dropped in training.

    Raises:
        ValueError: it is no share.
    """

    def __init__(self, rate: float = 0.1) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"a condition is dropped at a rate in [0, 1], got {rate}")
        self.rate = rate

    @abstractmethod
    def null(self, value: Tensor) -> Tensor:
        """The empty condition, in place of each of these values: same shape and dtype."""

    @abstractmethod
    def example(self, n: int) -> Tensor:
        """`n` values as a batch holds them, to try a network with."""
