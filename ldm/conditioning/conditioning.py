"""The conditions that a prior reads from a batch, and their dropout in training."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ldm.conditioning.condition import Condition
from ldm.randomness import Generators, uniform

__all__ = ["Conditioning"]


class Conditioning:
    """Reads conditions from batches by their keys, each with its own dropout and null value.

    Args:
        always: keys that are passed unchanged if a batch has them, and never dropped: the structure
            of samples, such as a mask of atoms.
        **dropped: conditions by their keys in the batch.

    Example: labels are dropped, a mask never is.
        >>> from ldm.conditioning import Labels
        >>> told = Conditioning(label=Labels(10))
        >>> batch = {"x": torch.zeros(2, 3), "label": torch.tensor([3, 4])}
        >>> told.null(told.read(batch))
        {'label': tensor([10, 10])}
    """

    def __init__(self, always: Sequence[str] = ("mask",), **dropped: Condition) -> None:
        self.always, self.dropped = tuple(always), dropped

    @property
    def active(self) -> bool:
        """True if a condition is dropped in training, so that guidance is possible."""
        return any(told.rate > 0 for told in self.dropped.values())

    def read(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Select the entries of a batch that the backbone reads.

        Raises:
            ValueError: a condition is absent from the batch.
        """
        for key in self.dropped:
            if key not in batch:
                raise ValueError(
                    f"this prior is conditional on {key} but the batch has no {key}: use data with "
                    f"a {key}, or set prior.conditioning=null"
                )
        keys = [key for key in batch if key in self.always or key in self.dropped]
        return {key: batch[key] for key in keys}

    def drop(self, condition: dict[str, Tensor], generator: Generators = None) -> dict[str, Tensor]:
        """Replace each condition of each sample by its null, independently, at its rate."""
        found = dict(condition)
        for key, told in self.dropped.items():
            value = condition[key]
            lost = uniform((len(value),), generator, value.device) < told.rate
            lost = lost.view(-1, *[1] * (value.ndim - 1))
            found[key] = torch.where(lost, told.null(value), value)
        return found

    def null(self, condition: dict[str, Tensor]) -> dict[str, Tensor]:
        """Replace all conditions that training may drop by their nulls."""
        empty = {
            key: told.null(condition[key]) for key, told in self.dropped.items() if told.rate > 0
        }
        return {**condition, **empty}

    def example(self, n: int) -> dict[str, Tensor]:
        """Example conditions for `n` samples, for checking a network's shapes."""
        return {key: told.example(n) for key, told in self.dropped.items()}
