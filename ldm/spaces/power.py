"""One space repeated over groups of channels and over a grid."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators
from ldm.spaces.parts import Parts, repeated
from ldm.spaces.space import Space

__all__ = ["Power"]


class Power(Parts):
    """One space repeated over groups of channels and over a grid.

    A point has shape `(groups * c, *rest, *grid)` for a base of shape `(c, *rest)`; channel
    `g * c + k` is coordinate k of group g. With a sphere for base it is where a grouped spherical
    quantiser's latents live, each group of channels at each position being one point of it. With
    the circle for base and no grid it is the torus.

    Args:
        base: the space that is repeated.
        groups: how many times along the channels.
        grid: how many times along each further axis: `(height, width)` for an image latent.

    Raises:
        ValueError: `groups` or a side of the grid is less than 1.

    Example: 24 channels in 8 groups of 3, each group on the sphere in R^3.
        >>> from ldm.spaces import Sphere
        >>> Power(Sphere(2), groups=8, grid=[16, 16]).random(2).shape
        torch.Size([2, 24, 16, 16])
    """

    def __init__(self, base: Space, groups: int = 1, grid: Sequence[int] = ()) -> None:
        if groups < 1 or any(side < 1 for side in grid):
            raise ValueError(f"groups and grid must be 1 or more, got {groups} and {tuple(grid)}")
        self.groups, self.grid = groups, tuple(grid)
        self.parts = (base,)
        channels, *rest = base.shape
        self.shape = (groups * channels, *rest, *self.grid)
        copies = groups * math.prod(self.grid)
        self.copies = [copies]
        self.dim, self.log_volume = copies * base.dim, copies * base.log_volume
        self.linear = base.linear

    @property
    def base(self) -> Space:
        """The space that is repeated."""
        return self.parts[0]

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n ..."]:
        (copies,) = self.copies
        if n == 0 or generator is None or isinstance(generator, torch.Generator):
            points = self.base.random(n * copies, generator, device, dtype)
        elif len(generator) != n:
            raise ValueError(f"{n} samples need as many generators, got {len(generator)}")
        elif self.bound:
            points = self.base.random(n * copies, repeated(generator, copies), device, dtype)
        else:
            points = torch.cat([self.base.random(copies, g, device, dtype) for g in generator])
        return self._together([points], n)

    def moments(
        self, mean: Float[Tensor, "..."], std: Float[Tensor, "..."]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """Shift and scale of the base, group by group."""
        own = map(self.base.moments, mean.chunk(self.groups), std.chunk(self.groups))
        means, stds = zip(*own, strict=True)
        return torch.cat(means), torch.cat(stds)

    def _apart(self, x):
        x = x.reshape(len(x), self.groups, *self.base.shape, math.prod(self.grid))
        return [x.movedim(-1, 2).reshape(-1, *self.base.shape)]

    def _together(self, points, n):
        x = points[0].reshape(n, self.groups, math.prod(self.grid), *self.base.shape)
        return x.movedim(2, -1).reshape(n, *self.shape)

    def __repr__(self) -> str:
        return f"Power({self.base}, groups={self.groups}, grid={list(self.grid)})"
