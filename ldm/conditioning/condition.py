"""The base class of conditions."""

from abc import ABC, abstractmethod

from torch import Tensor

from data import Batch

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

    def entries(self, key: str, batch: Batch) -> Batch:
        """Entries that a network reads of what a batch has under a key: that alone, by default."""
        return {key: batch[key]}

    def nulls(self, key: str, entries: Batch) -> Batch:
        """Null conditions for each of these `entries`, of the same shapes and dtypes."""
        return {name: self.null(value) for name, value in entries.items()}

    def examples(self, key: str, n: int) -> Batch:
        """Example entries for `n` samples."""
        return {key: self.example(n)}

    @abstractmethod
    def null(self, value: Tensor) -> Tensor:
        """Null condition for each of these values, of the same shape and dtype."""

    @abstractmethod
    def example(self, n: int) -> Tensor:
        """Example values for `n` samples, for checking a network's shapes."""

    def brief(self) -> "Condition":
        """Copy that reads no files, for checks of shapes."""
        return self

    def check(self) -> None:  # noqa: B027 - most read no files
        """Read the files that the condition needs, if any.

        Raises:
            BadCheckpoint: they are missing or damaged.
        """

    @property
    def identity(self) -> str:
        """Hash of everything that determines `entries`; empty if they are the batch's own."""
        return ""
