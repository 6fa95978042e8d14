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
        **dropped: conditions by their keys in the batch; None for none, where a configuration takes
            one back.

    Example: labels are dropped, a mask never is.
        >>> from ldm.conditioning import Labels
        >>> told = Conditioning(label=Labels(10))
        >>> batch = {"x": torch.zeros(2, 3), "label": torch.tensor([3, 4])}
        >>> told.null(told.read(batch))
        {'label': tensor([10, 10])}
    """

    def __init__(self, always: Sequence[str] = ("mask",), **dropped: Condition | None) -> None:
        self.always = tuple(always)
        self.dropped = {key: told for key, told in dropped.items() if told is not None}

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
        always = {key: value for key, value in batch.items() if key in self.always}
        return always | self.embed(batch)

    def embed(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Compute what networks read of conditions: of captions, their embeddings.

        It is deterministic, so that a cache can store it. What was embedded is not embedded again.
        """
        found: dict[str, Tensor] = {}
        for key, told in self.dropped.items():
            if key in batch:
                found |= told.entries(key, batch)
        return found

    def drop(self, condition: dict[str, Tensor], generator: Generators = None) -> dict[str, Tensor]:
        """Replace each condition of each sample by its null, independently, at its rate."""
        found = dict(condition)
        for key, told in self.dropped.items():
            own = told.entries(key, condition)
            lost = uniform((len(own[key]),), generator, own[key].device) < told.rate
            for name, null in told.nulls(key, own).items():
                rows = lost.view(-1, *[1] * (null.ndim - 1))
                found[name] = torch.where(rows, null, own[name])
        return found

    def null(self, condition: dict[str, Tensor]) -> dict[str, Tensor]:
        """Replace all conditions that training may drop by their nulls."""
        empty = dict(condition)
        for key, told in self.dropped.items():
            if told.rate > 0:
                empty |= told.nulls(key, told.entries(key, condition))
        return empty

    def example(self, n: int) -> dict[str, Tensor]:
        """Example conditions for `n` samples, for checking a network's shapes."""
        found: dict[str, Tensor] = {}
        for key, told in self.dropped.items():
            found |= told.examples(key, n)
        return found

    def brief(self) -> "Conditioning":
        """Copy that reads no files, for checks of shapes."""
        brief = {key: told.brief() for key, told in self.dropped.items()}
        return Conditioning(self.always, **brief)

    def check(self) -> None:
        """Read the files that conditions need, so that training does not begin without them.

        Raises:
            BadCheckpoint: they are missing or damaged.
        """
        for told in self.dropped.values():
            told.check()

    @property
    def identity(self) -> str:
        """Hash of everything that determines `embed`; empty if that is the batch's own."""
        named = [f"{key}={told.identity}" for key, told in self.dropped.items() if told.identity]
        return "-".join(named)
