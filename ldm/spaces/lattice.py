"""Finite grids of integers: the latents of scalar quantisers, quantised graphs among them."""

import copy
import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor

from ldm.randomness import Generators, uniform
from ldm.spaces.space import Space

__all__ = ["Lattice"]


class Lattice(Space):
    """Arrays of integers, each one of `levels` successive ones; the reference measure is uniform.

    Points are held as floats. The geometry is that of the Euclidean space around them: distances
    are Euclidean, every ambient vector is tangent, and a step ends on the nearest point. A sampler
    may thus walk in the reals between points and `project` once at the end.

    The mask `(b, *grid)` of a context says which places of the grid are occupied. The others hold
    zeros and count for nothing.

    Args:
        shape: of one point, channels first.
        levels: how many integers each coordinate may be.
        lowest: the least of them.

    Raises:
        ValueError: `levels` is less than 1.

    Example: six channels of {-2, ..., 2} for each of 38 nodes, as GLAD's (Nguyen et al. 2024).
        >>> lattice = Lattice([6, 38], levels=5, lowest=-2)
        >>> lattice.project(torch.full((1, 6, 38), 7.3)).max()
        tensor(2.)
    """

    separable = True

    def __init__(self, shape: Sequence[int], levels: int, lowest: int = 0) -> None:
        if levels < 1:
            raise ValueError(f"a lattice needs 1 level or more, got {levels}")
        self.shape = tuple(shape)
        self.dim = math.prod(self.shape)
        self.levels, self.lowest = levels, lowest
        self.mask: Bool[Tensor, "n *grid"] | None = None

    def on(self, context: Mapping[str, Tensor]) -> "Lattice":
        """The view for samples with this `mask` of their grid; a mask of another shape is ignored.

        One row stands for all samples.
        """
        if "mask" not in context or context["mask"].shape[1:] != self.shape[1:]:
            return self
        view = copy.copy(self)
        view.mask = context["mask"]
        return view

    @property
    def entries(self) -> int | Int[Tensor, " n"]:
        if self.mask is None:
            return math.prod(self.shape)
        return self.shape[0] * self.mask.flatten(1).sum(1)

    @property
    def directions(self) -> int | Int[Tensor, " n"]:
        return self.entries

    def occupied(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """Points with zeros in the places that are not occupied."""
        return x if self.mask is None else torch.where(self.mask.to(x.device)[:, None], x, 0)

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n ..."]:
        # Half precision has too few uniform numbers to share out evenly among the levels.
        fine = torch.promote_types(dtype, torch.float32)
        level = (uniform((n, *self.shape), generator, device, fine) * self.levels).floor()
        return self.project(level + self.lowest).to(dtype)  # the product may round up to `levels`

    def project(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """Round (halves to even) and clamp; no gradient passes."""
        return self.occupied(x.round().clamp(self.lowest, self.lowest + self.levels - 1))

    def tangent(
        self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        """`v` itself: a lattice has no directions of its own, so all are allowed."""
        return self.occupied(v)

    def exp(self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """The lattice point nearest to `x + v`."""
        return self.project(x + v)

    def log(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        return y - x

    def transport(
        self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        return v

    def frame(self, x: Float[Tensor, "n ..."], c: Float[Tensor, "n dim"]) -> Float[Tensor, "n ..."]:
        # Places come first, so that a sample's own coordinates do not depend on the padding.
        return self.occupied(c.view(len(x), *self.shape[1:], self.shape[0]).movedim(-1, 1))

    def distance(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        return (y - x).flatten(1).norm(dim=1)

    def log_density(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Log probability of uniform points, minus `log levels` for each coordinate."""
        count = torch.as_tensor(self.entries, device=x.device).to(x)
        return (-math.log(self.levels) * count).expand(len(x)).clone()

    def features(self, x: Num[Tensor, "n ..."]) -> Num[Tensor, "features numbers"]:
        channels = x.movedim(1, 0)
        if self.mask is None:
            return channels.flatten(1)
        return channels[:, self.mask.to(x.device).expand(channels.shape[1:])]

    def affine(
        self,
        x: Float[Tensor, "n ..."],
        scale: Float[Tensor, " features"],
        shift: Float[Tensor, " features"],
    ) -> Float[Tensor, "n ..."]:
        return self.occupied(super().affine(x, scale, shift))

    def __repr__(self) -> str:
        sides = "".join(f"{side}, " for side in self.shape)
        return f"Lattice({sides}levels={self.levels}, lowest={self.lowest})"
