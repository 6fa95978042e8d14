"""Products of spaces: different ones side by side, or one repeated over groups and grids."""

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators
from ldm.spaces.heat_kernel import HeatKernel
from ldm.spaces.space import Space

__all__ = ["Power", "Product"]


class _Parts(Space):
    """A space whose points are tuples of points of others, with the product geometry.

    Every law holds part by part: geodesics are geodesics in each, squared distances and log
    densities add up.
    """

    parts: tuple[Space, ...]

    copies: list[int]
    """How many times each of `parts` is repeated in a point."""

    @abstractmethod
    def _apart(self, x: Tensor) -> list[Tensor]:
        """One tensor of points for each of `parts`, all copies of one sample in a row."""

    @abstractmethod
    def _together(self, points: list[Tensor], n: int) -> Tensor:
        """Undo `_apart`."""

    def project(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        return self._each("project", x)

    def tangent(
        self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        return self._each("tangent", x, v)

    def exp(self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        return self._each("exp", x, v)

    def log(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        return self._each("log", x, y)

    def inner(
        self, x: Float[Tensor, "n ..."], u: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, " n"]:
        """Sum over the parts."""
        return torch.cat(self._scalars("inner", x, u, v), 1).sum(1)

    def transport(
        self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        return self._each("transport", x, y, v)

    def frame(self, x: Float[Tensor, "n ..."], c: Float[Tensor, "n dim"]) -> Float[Tensor, "n ..."]:
        """The parts' frames, one after another."""
        points = self._apart(x)
        sizes = [copies * part.dim for part, copies in zip(self.parts, self.copies, strict=True)]
        vectors = [
            part.frame(own, mine.reshape(len(own), part.dim))
            for part, own, mine in zip(self.parts, points, c.split(sizes, 1), strict=True)
        ]
        return self._together(vectors, len(x))

    def gradient(
        self, x: Float[Tensor, "n ..."], euclidean: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        return self._each("gradient", x, euclidean)

    def log_volume_element(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Sum over the parts."""
        return torch.cat(self._scalars("log_volume_element", x), 1).sum(1)

    def log_exp_jacobian(
        self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, " n"]:
        """Sum over the parts."""
        return torch.cat(self._scalars("log_exp_jacobian", x, v), 1).sum(1)

    def scalar_curvature(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Sum over the parts."""
        return torch.cat(self._scalars("scalar_curvature", x), 1).sum(1)

    @property
    def heat_kernel(self) -> HeatKernel:
        """Independent Brownian motions of the same variance in all parts."""
        return _PartsHeatKernel(self)

    def distance(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Euclidean norm of the distances in the parts."""
        return torch.cat(self._scalars("distance", x, y), 1).norm(dim=1)

    def log_density(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Sum over the parts, which the reference measure draws independently."""
        return torch.cat(self._scalars("log_density", x), 1).sum(1)

    def embed(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n _"]:
        """Those of the parts, side by side."""
        return torch.cat(self._scalars("embed", x), 1)

    def check(self, x: Float[Tensor, "n ..."]) -> None:
        self._call("check", x)

    def _call(self, law: str, *arguments: Tensor) -> list:
        for x in arguments:
            if x.shape[1:] != self.shape:
                raise ValueError(
                    f"points of {self} have shape (n, {', '.join(map(str, self.shape))}), "
                    f"got {tuple(x.shape)}"
                )
        apart = zip(*map(self._apart, arguments), strict=True)
        return [getattr(part, law)(*own) for part, own in zip(self.parts, apart, strict=True)]

    def _each(self, law, *arguments):
        return self._together(self._call(law, *arguments), len(arguments[0]))

    def _scalars(self, law, *arguments):
        return self._rows(self._call(law, *arguments))

    def _rows(self, values: list[Tensor]) -> list[Tensor]:
        """All that the copies of a part have in a sample as one row."""
        pairs = zip(values, self.copies, strict=True)
        return [own.unflatten(0, (-1, copies)).flatten(1) for own, copies in pairs]


class Product(_Parts):
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
        """Each part's own."""
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


class Power(_Parts):
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
        self.base, self.groups, self.grid = base, groups, tuple(grid)
        self.parts = (base,)
        channels, *rest = base.shape
        self.shape = (groups * channels, *rest, *self.grid)
        copies = groups * math.prod(self.grid)
        self.copies = [copies]
        self.dim, self.log_volume = copies * base.dim, copies * base.log_volume
        self.linear = base.linear

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
        else:
            points = torch.cat([self.base.random(copies, g, device, dtype) for g in generator])
        return self._together([points], n)

    def moments(
        self, mean: Float[Tensor, "..."], std: Float[Tensor, "..."]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """The base's, group by group."""
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


class _PartsHeatKernel(HeatKernel):
    def __init__(self, space: _Parts) -> None:
        self.space = space
        self.kernels = [part.heat_kernel for part in space.parts]

    def log_density(
        self, x: Float[Tensor, "n ..."], origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        return torch.cat(self.space._rows(self._call("log_density", [x, origin], s)), 1).sum(1)

    def score(
        self, x: Float[Tensor, "n ..."], origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        return self.space._together(self._call("score", [x, origin], s), len(x))

    def sample(
        self, origin: Float[Tensor, "n ..."], s: Float[Tensor, " n"], generator: Generators = None
    ) -> Float[Tensor, "n ..."]:
        return self.space._together(self._call("sample", [origin], s, generator), len(origin))

    def _call(self, law: str, points: list[Tensor], s: Tensor, generator=None) -> list[Tensor]:
        apart = zip(*map(self.space._apart, points), strict=True)
        values = []
        for kernel, own, copies in zip(self.kernels, apart, self.space.copies, strict=True):
            more = [] if law != "sample" else [_repeated(generator, copies)]
            values.append(getattr(kernel, law)(*own, s.repeat_interleave(copies), *more))
        return values


def _repeated(generator: Generators, copies: int) -> Generators:
    """One generator for each copy of each sample, where there is one a sample."""
    if generator is None or isinstance(generator, torch.Generator):
        return generator
    return [g for g in generator for _ in range(copies)]
