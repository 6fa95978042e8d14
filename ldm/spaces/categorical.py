"""Arrays of codes: the indices that a quantiser stores, the tokens of a text."""

import math
from collections.abc import Sequence
from typing import NoReturn

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ldm.randomness import Generators, uniform
from ldm.spaces.space import Space

__all__ = ["Categorical"]


class Categorical(Space):
    """Arrays of whole numbers below a vocabulary's size; the reference measure is uniform.

    Codes have no geometry but equality, so there are no tangent vectors and no geodesics: priors
    over codes are autoregressive or masked. Log densities are log probabilities.

    Args:
        shape: of one point: `(height, width)` for a quantised image, `(length,)` for a text.
        vocabulary: how many codes there are.

    Raises:
        ValueError: the vocabulary is empty; on use, something needs directions to move in.

    Example:
        >>> codes = Categorical([4, 4], vocabulary=512).random(2)
        >>> codes.shape, codes.dtype
        (torch.Size([2, 4, 4]), torch.int64)
    """

    def __init__(self, shape: Sequence[int], vocabulary: int) -> None:
        if vocabulary < 1:
            raise ValueError(f"a vocabulary needs 1 code or more, got {vocabulary}")
        self.shape = tuple(shape)
        self.dim = math.prod(self.shape)
        self.vocabulary = vocabulary
        self.log_volume = self.dim * math.log(vocabulary)

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.int64,
    ) -> Int[Tensor, "n ..."]:
        """Draw uniform codes, of int64 whatever the `dtype`."""
        # In float64, which shares its numbers out evenly among any number of codes.
        u = uniform((n, *self.shape), generator, device, torch.float64)
        return (u * self.vocabulary).long().clamp(max=self.vocabulary - 1)

    def project(self, x: Float[Tensor, "n ..."] | Int[Tensor, "n ..."]) -> Int[Tensor, "n ..."]:
        """The nearest codes: rounded and clamped."""
        return x.round().clamp(0, self.vocabulary - 1).long()

    def distance(self, x: Int[Tensor, "n ..."], y: Int[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """The number of codes that differ (Hamming)."""
        return (x != y).flatten(1).sum(1).float()

    def log_density(self, x: Int[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Log probability of uniform codes, minus the log of the vocabulary for each."""
        return torch.full(x.shape[:1], -self.log_volume, device=x.device)

    def embed(self, x: Int[Tensor, "n ..."]) -> Float[Tensor, "n _"]:
        """One-hot: squared distances are twice the number of codes that differ."""
        return torch.nn.functional.one_hot(x, self.vocabulary).flatten(1).float()

    def affine(
        self,
        x: Int[Tensor, "n ..."],
        scale: Float[Tensor, " features"],
        shift: Float[Tensor, " features"],
    ) -> Int[Tensor, "n ..."]:
        """`x` itself: codes are not normalised."""
        return x

    def check(self, x: Tensor) -> None:
        """Refuse what are no codes.

        Raises:
            ValueError: numbers are not integers, or not below the vocabulary's size.
        """
        if x.is_floating_point() or x.is_complex() or x.dtype == torch.bool:
            raise ValueError(f"codes of {self} must be integers, got {x.dtype}")
        if len(x) and not (x.min() >= 0 and x.max() < self.vocabulary):
            raise ValueError(
                f"codes of {self} must be 0 to {self.vocabulary - 1}, got {x.min().item()} to "
                f"{x.max().item()}"
            )

    def tangent(self, x: Tensor, v: Tensor) -> NoReturn:
        """Refused, as all that needs directions."""
        self._refuse("tangent vectors")

    def inner(self, x: Tensor, u: Tensor, v: Tensor) -> NoReturn:
        self._refuse("tangent vectors")

    def frame(self, x: Tensor, c: Tensor) -> NoReturn:
        self._refuse("tangent vectors")

    def transport(self, x: Tensor, y: Tensor, v: Tensor) -> NoReturn:
        self._refuse("tangent vectors")

    def exp(self, x: Tensor, v: Tensor) -> NoReturn:
        self._refuse("geodesics")

    def log(self, x: Tensor, y: Tensor) -> NoReturn:
        self._refuse("geodesics")

    def _refuse(self, lacking: str) -> NoReturn:
        raise ValueError(
            f"{self} has no {lacking}, as diffusion and flows need: set the prior to one over "
            f"codes, autoregressive or masked"
        )

    def __repr__(self) -> str:
        sides = "".join(f"{side}, " for side in self.shape)
        return f"Categorical({sides}vocabulary={self.vocabulary})"
