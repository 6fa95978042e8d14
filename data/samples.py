"""The interfaces of a dataset to its loader and its data module."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from data.batch import Batch
from data.order import Draw

__all__ = ["Batches", "Samples"]


@runtime_checkable
class Batches(Protocol):
    """A dataset that returns whole batches."""

    def __getitems__(self, items: Sequence[int | Draw]) -> Batch:
        """Return a batch: of an index the plain sample, of a `Draw` the sample augmented."""
        ...


@runtime_checkable
class Samples(Batches, Protocol):
    """The samples of one split: a map-style dataset that returns whole batches."""

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def digest(self) -> str:
        """Hash everything that determines samples, labels and augmentation."""
        ...
