"""Different spaces side by side."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators
from ldm.spaces.parts import Parts
from ldm.spaces.space import Space

__all__ = ["Product"]


class Product(Parts):
    """Different spaces side by side; a point is one flat vector of all their coordinates.

    Args:
        parts: the spaces, in the order of their coordinates; a part of several axes is flattened.

    Raises:
        ValueError: there are no parts.

    Example: a direction and a position.
        >>> from ldm.spaces import Flat, Sphere
        >>> Product([Sphere(2), Flat([3])]).random(5).shape
        torch.Size([5, 6])
    """

    def __init__(self, parts: Sequence[Space]) -> None:
        if not parts:
            raise ValueError("a product needs one space or more, got none")
        self.parts = tuple(parts)
        self.copies = [1] * len(self.parts)
        self.sizes = [math.prod(part.shape) for part in self.parts]
        self.shape = (sum(self.sizes),)
        self.dim = sum(part.dim for part in self.parts)
        self.log_volume = sum(part.log_volume for part in self.parts)
        self.linear = all(part.linear for part in self.parts)

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n ..."]:
        points = [part.random(n, generator, device, dtype) for part in self.parts]
        return self._together(points, n)

    def moments(
        self, mean: Float[Tensor, "..."], std: Float[Tensor, "..."]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """Shift and scale of each part."""
        pairs = zip(self.parts, self._pieces(mean, 0), self._pieces(std, 0), strict=True)
        means, stds = zip(*[part.moments(m, s) for part, m, s in pairs], strict=True)
        return (
            torch.cat([x.reshape(-1, *mean.shape[1:]) for x in means]),
            torch.cat([x.reshape(-1, *std.shape[1:]) for x in stds]),
        )

    def _pieces(self, x, dim):
        pieces = zip(self.parts, x.split(self.sizes, dim), strict=True)
        return [piece.unflatten(dim, part.shape) for part, piece in pieces]

    def _apart(self, x):
        return self._pieces(x, 1)

    def _together(self, points, n):
        return torch.cat([x.flatten(1) for x in points], dim=1)

    def __repr__(self) -> str:
        return f"Product({', '.join(map(repr, self.parts))})"
