"""The base class of conditions."""

from abc import ABC, abstractmethod

from torch import Tensor

__all__ = ["Condition"]


class Condition(ABC):
    """A condition that training randomly replaces by a null value, for classifier-free guidance.

    Args:
        rate: probability of dropping a sample's condition in training.

    Raises:
        ValueError: `rate` is not in [0, 1].
    """

    def __init__(self, rate: float = 0.1) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"a condition is dropped at a rate in [0, 1], got {rate}")
        self.rate = rate

    @abstractmethod
    def null(self, value: Tensor) -> Tensor:
        """Null condition for each of these values, of the same shape and dtype."""

    @abstractmethod
    def example(self, n: int) -> Tensor:
        """Example values for `n` samples, for checking a network's shapes."""
