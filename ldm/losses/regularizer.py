"""Additional terms of a tokenizer's loss, and weights that change in the course of training."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

__all__ = ["LinearWeight", "Regularizer", "Weight", "weight_at"]

Weight = float | Callable[[int, int], float]
"""A weight in a loss, or a schedule of it: `weight(samples_seen, samples)`."""


def weight_at(weight: Weight, seen: int, samples: int) -> float:
    """The weight after `seen` of `samples` training samples."""
    return weight(seen, samples) if callable(weight) else weight


class LinearWeight:
    """A weight that goes on a line from one number to another, where it stays.

    Args:
        start: at first.
        end: from `until` on.
        until: samples seen.

    Raises:
        ValueError: `until` is less than 1, or a weight is negative.

    Example:
        >>> LinearWeight(0.4, 0.1, until=1000)(500, 10_000)
        0.25
    """

    def __init__(self, start: float, end: float, until: int) -> None:
        if until < 1 or min(start, end) < 0:
            raise ValueError(
                f"until must be 1 sample or more, and weights 0 or more, got {until}, {start} and "
                f"{end}"
            )
        self.start, self.end, self.until = start, end, until

    def __call__(self, seen: int, samples: int) -> float:
        share = min(1.0, seen / self.until)
        return (1 - share) * self.start + share * self.end


class Regularizer:
    """A term of a tokenizer's loss that depends on the tokenizer and the whole batch; its weight.

    Args:
        term: `term(tokenizer, batch, encoded, reconstruction, samples_seen, generator)` returns a
            scalar; the reconstruction is a batch. If it is an `nn.Module`, it is moved with the
            tokenizer but never trained.
        weight: weight in the loss.

    Example:
        >>> import torch
        >>> short = Regularizer(lambda t, b, encoded, *_: encoded.latent.square().mean(), 0.1)
        >>> short.weight_at(0, 100)
        0.1
    """

    def __init__(
        self,
        term: Callable[..., Float[Tensor, ""]],
        weight: Weight = 1.0,
    ) -> None:
        self.term, self.weight = term, weight

    def weight_at(self, samples_seen: int, samples: int) -> float:
        """Return the weight after `samples_seen` of `samples` training samples."""
        return weight_at(self.weight, samples_seen, samples)
