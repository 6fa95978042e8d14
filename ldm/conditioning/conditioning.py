"""What a prior is told of a batch: what always passes, and what is dropped now and then."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ldm.conditioning.condition import Condition
from ldm.randomness import Generators, uniform

__all__ = ["Conditioning"]


class Conditioning:
    """Reads conditions from batches by their keys, each with its own dropout and null.

    Args:
        always: keys that pass as they are wherever a batch has them: they say what the samples
            are, as a mask of atoms does, and are never dropped.
        **dropped: conditions by the keys of the batch that hold them.

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
        """Whether something is dropped in training, and so can be guided by."""
        return any(told.rate > 0 for told in self.dropped.values())

    def read(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The part of a batch that the backbone reads.

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
        """Replace a random share of each condition by its null, independently."""
        found = dict(condition)
        for key, told in self.dropped.items():
            value = condition[key]
            lost = uniform((len(value),), generator, value.device) < told.rate
            lost = lost.view(-1, *[1] * (value.ndim - 1))
            found[key] = torch.where(lost, told.null(value), value)
        return found

    def null(self, condition: dict[str, Tensor]) -> dict[str, Tensor]:
        """Replace conditions by their nulls, but for those that training always gives."""
        empty = {
            key: told.null(condition[key]) for key, told in self.dropped.items() if told.rate > 0
        }
        return {**condition, **empty}

    def example(self, n: int) -> dict[str, Tensor]:
        """Conditions of `n` samples, to try a network with."""
        return {key: told.example(n) for key, told in self.dropped.items()}
