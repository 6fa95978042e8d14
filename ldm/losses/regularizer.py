"""Further terms of a tokenizer's loss, each with its weight."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

__all__ = ["Regularizer"]


class Regularizer:
    """A term of a tokenizer's loss that sees the tokenizer and the whole batch, and its weight.

    Args:
        term: `term(tokenizer, batch, encoded, reconstruction, samples_seen, generator)`, a scalar;
            the reconstruction is a batch, too. An `nn.Module` is moved with the tokenizer and never
            trained.
        weight: of the term in the loss, or a schedule of it: `weight(samples_seen, samples)`.

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
        """The weight after so many of all samples of a training."""
        return self.weight(samples_seen, samples) if callable(self.weight) else self.weight
