"""Additional weighted terms of a tokenizer's loss."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

__all__ = ["Regularizer"]


class Regularizer:
    """A term of a tokenizer's loss that depends on the tokenizer and the whole batch; its weight.

    Args:
        term: `term(tokenizer, batch, encoded, reconstruction, samples_seen, generator)` returns a
            scalar; the reconstruction is a batch. If it is an `nn.Module`, it is moved with the
            tokenizer but never trained.
        weight: weight in the loss, or a schedule `weight(samples_seen, samples)`.

    Example:
        >>> import torch
        >>> short = Regularizer(lambda t, b, encoded, *_: encoded.latent.square().mean(), 0.1)
        >>> short.weight_at(0, 100)
        0.1
    """

    def __init__(
        self,
        term: Callable[..., Float[Tensor, ""]],
        weight: float | Callable[[int, int], float] = 1.0,
    ) -> None:
        self.term, self.weight = term, weight

    def weight_at(self, samples_seen: int, samples: int) -> float:
        """Return the weight after `samples_seen` of `samples` training samples."""
        return self.weight(samples_seen, samples) if callable(self.weight) else self.weight
