"""The base class of products of spaces: geometry and measure, part by part."""

import copy
from abc import abstractmethod
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators
from ldm.spaces.heat_kernel import HeatKernel
from ldm.spaces.space import Space

__all__ = ["Parts", "repeated"]


class Parts(Space):
    """A space whose points are tuples of points of others, with the product geometry.

    Everything holds part by part: geodesics are geodesics in each, squared distances and log
    densities add up.
    """

    separable = True

    parts: tuple[Space, ...]

    copies: list[int]
    """The number of times that each of `parts` is repeated in a point."""

    bound: bool = False
    """True if `parts` are views for the samples of a context."""

    @abstractmethod
    def _apart(self, x: Tensor) -> list[Tensor]:
        """One tensor of points for each of `parts`, all copies of one sample in a row."""

    @abstractmethod
    def _together(self, points: list[Tensor], n: int) -> Tensor:
        """Undo `_apart`."""

    def on(self, context: Mapping[str, Tensor]) -> Space:
        """The product of the parts' views; each copy of a part sees the context of its sample."""
        pairs = zip(self.parts, self.copies, strict=True)
        views = tuple(_view(part, copies, context) for part, copies in pairs)
        if all(view is part for view, part in zip(views, self.parts, strict=True)):
            return self
        bound = copy.copy(self)
        bound.parts, bound.bound = views, True
        return bound

    @property
    def entries(self) -> int | Tensor:
        """Sum over the parts."""
        return self._total([part.entries for part in self.parts])

    @property
    def directions(self) -> int | Tensor:
        """Sum over the parts."""
        return self._total([part.directions for part in self.parts])

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
        return PartsHeatKernel(self)

    def distance(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Euclidean norm of the distances in the parts."""
        return torch.cat(self._scalars("distance", x, y), 1).norm(dim=1)

    def log_density(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Sum over the parts, which the reference measure draws independently."""
        return torch.cat(self._scalars("log_density", x), 1).sum(1)

    def embed(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n _"]:
        """The embeddings of the parts, side by side."""
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

    def _total(self, own: list[int | Tensor]) -> int | Tensor:
        """The sum of a number that each part has, of all its copies; one a sample in a view."""
        return sum(
            number.view(-1, copies).sum(1) if isinstance(number, Tensor) else copies * number
            for number, copies in zip(own, self.copies, strict=True)
        )

    def _each(self, law, *arguments):
        return self._together(self._call(law, *arguments), len(arguments[0]))

    def _scalars(self, law, *arguments):
        return self._rows(self._call(law, *arguments))

    def _rows(self, values: list[Tensor]) -> list[Tensor]:
        """The values of all copies of a part in a sample, as one row."""
        pairs = zip(values, self.copies, strict=True)
        return [own.unflatten(0, (-1, copies)).flatten(1) for own, copies in pairs]


class PartsHeatKernel(HeatKernel):
    """Independent Brownian motions in the parts of a product."""

    def __init__(self, space: Parts) -> None:
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
            more = [] if law != "sample" else [repeated(generator, copies)]
            values.append(getattr(kernel, law)(*own, s.repeat_interleave(copies), *more))
        return values


def repeated(generator: Generators, copies: int) -> Generators:
    """One generator for each copy of each sample, where there is one a sample."""
    if generator is None or isinstance(generator, torch.Generator):
        return generator
    return [g for g in generator for _ in range(copies)]


def _view(part: Space, copies: int, context: Mapping[str, Tensor]) -> Space:
    """A part's view for all its copies in each sample."""
    if part.on(context) is part:  # so nothing is repeated in vain
        return part
    return part.on({key: value.repeat_interleave(copies, 0) for key, value in context.items()})
