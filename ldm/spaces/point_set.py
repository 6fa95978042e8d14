"""Sets of points in space with invariant features: molecules, and point-structured latents.

Sources: Köhler, Klein and Noé, "Equivariant flows", 2020 (the subspace of zero centre of mass);
Hoogeboom et al., "Equivariant diffusion for molecule generation in 3D", 2022, section 3.
"""

import copy
import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ldm.randomness import Generators, normal, normal_rows
from ldm.spaces.flat import Flat

__all__ = ["PointSet"]


class PointSet(Flat):
    """Up to `places` points with positions, whose mean is zero, and features that are any numbers.

    A row of a point set is the position of one point, then its features. The positions are those of
    the subspace of zero centre of mass, so that n points have `equivariant (n - 1)` directions for
    them; the reference measure is the standard normal there, and of the features. It does not
    change when positions are rotated, or points are exchanged.

    The mask `(b, places)` of a context says which places hold points. Others hold zeros, count for
    nothing, and have no influence on what a sample's own generator draws.

    Args:
        places: the largest number of points.
        equivariant: coordinates of a position; 0 for sets of features alone.
        invariant: features of a point.

    Raises:
        ValueError: there are no places, or neither coordinates nor features.

    Example: a molecule of up to 29 atoms, each with one feature.
        >>> space = PointSet(29, invariant=1)
        >>> space.random(2).shape, space.dim
        (torch.Size([2, 29, 4]), 113)
    """

    feature_axis = 1

    def __init__(self, places: int, equivariant: int = 3, invariant: int = 0) -> None:
        if places < 1 or min(equivariant, invariant) < 0 or not equivariant + invariant:
            raise ValueError(
                f"a point set needs 1 place or more, and 1 coordinate or feature or more, got "
                f"{places}, {equivariant} and {invariant}"
            )
        super().__init__([places, equivariant + invariant])
        self.places, self.equivariant, self.invariant = places, equivariant, invariant
        self.dim -= equivariant
        self.mask: Bool[Tensor, "n places"] | None = None

    def on(self, context: Mapping[str, Tensor]) -> "PointSet":
        """The view for samples with this `mask` of their places; one row stands for all samples."""
        if "mask" not in context:
            return self
        view = copy.copy(self)
        view.mask = context["mask"]
        return view

    @property
    def points(self) -> int | Int[Tensor, " n"]:
        """The number of points; in a view, one number a sample."""
        return self.places if self.mask is None else self.mask.sum(1)

    @property
    def entries(self) -> int | Int[Tensor, " n"]:
        return self.shape[1] * self.points

    @property
    def directions(self) -> int | Int[Tensor, " n"]:
        # A set without points has no directions, not minus three.
        points = self.points
        fewer = max(points - 1, 0) if isinstance(points, int) else (points - 1).clamp(min=0)
        return self.equivariant * fewer + self.invariant * points

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n places features"]:
        """Standard normal noise, its positions moved to zero centre of mass."""
        if self.mask is None or not isinstance(generator, Sequence):
            return self.project(normal((n, *self.shape), generator, device, dtype))
        mask = self.mask.to(device).expand(n, -1)
        x = torch.zeros(n, *self.shape, device=device, dtype=dtype)
        x[mask] = normal_rows(mask.sum(1).tolist(), self.shape[1], generator, device, dtype)
        return self.project(x)

    def random_tangent(
        self, x: Float[Tensor, "n places features"], generator: Generators = None
    ) -> Float[Tensor, "n places features"]:
        return self.random(len(x), generator, x.device, x.dtype)

    def project(self, x: Float[Tensor, "n places features"]) -> Float[Tensor, "n places features"]:
        """Zeros in empty places, and positions less their mean."""
        return self._centred(x, self._occupied(x))

    def tangent(
        self, x: Float[Tensor, "n places features"], v: Float[Tensor, "n places features"]
    ) -> Float[Tensor, "n places features"]:
        return self.project(v)

    def frame(
        self, x: Float[Tensor, "n places features"], c: Float[Tensor, "n dim"]
    ) -> Float[Tensor, "n places features"]:
        """Helmert's basis: the k-th point against the mean of those before it.

        Each place but the first has coordinates; those of places that are empty, and those of the
        first point, are ignored.
        """
        occupied, n = self._occupied(x), len(c)
        cut = self.equivariant * (self.places - 1)
        own = c[:, :cut].view(n, self.places - 1, self.equivariant)
        own = torch.cat([own.new_zeros(n, 1, self.equivariant), own], 1)
        rank = occupied.cumsum(1) - 1
        own = own / (rank * (rank + 1)).clamp(min=1).to(c.dtype).sqrt()
        own = torch.where(occupied & (rank > 0), own, 0)
        after = own.flip(1).cumsum(1).flip(1) - own
        features = c[:, cut:].view(n, self.places, self.invariant)
        return torch.where(occupied, torch.cat([after - rank * own, features], -1), 0)

    def log_density(self, x: Float[Tensor, "n places features"]) -> Float[Tensor, " n"]:
        """Log density of the standard normal of the subspace."""
        directions = torch.as_tensor(self.directions, dtype=x.dtype, device=x.device)
        return -0.5 * (x.square().flatten(1).sum(1) + directions * math.log(2 * math.pi))

    def features(self, x: Float[Tensor, "n places features"]) -> Float[Tensor, "features numbers"]:
        return x[self._occupied(x)[..., 0].expand(x.shape[:2])].T

    def moments(
        self, mean: Float[Tensor, "..."], std: Float[Tensor, "..."]
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """One scale and no shift for the positions; a mean and a deviation for each feature."""
        cut = self.equivariant
        one = std[:cut].square().mean().sqrt().expand_as(std[:cut])
        return torch.cat([torch.zeros_like(mean[:cut]), mean[cut:]]), torch.cat([one, std[cut:]])

    def affine(
        self,
        x: Float[Tensor, "n places features"],
        scale: Float[Tensor, " features"],
        shift: Float[Tensor, " features"],
    ) -> Float[Tensor, "n places features"]:
        return torch.where(self._occupied(x), super().affine(x, scale, shift), 0)

    def replace(
        self,
        x: Float[Tensor, "n places features"],
        y: Float[Tensor, "n places features"],
        kept: Bool[Tensor, "_ places 1"],
    ) -> Float[Tensor, "n places features"]:
        """The nearest to `x` that agree with `y` in the kept points, but for a common shift.

        Positions are known up to their centre, as where a part lies in the whole depends on the
        rest: the centre of the kept points stays where it is in `x`, so that of all stays zero.
        """
        return x + self._centred(y - x, kept & self._occupied(x))

    def _centred(self, x: Tensor, occupied: Bool[Tensor, "_ places 1"]) -> Tensor:
        """Zeros in all other places, and positions less their mean over these."""
        x = torch.where(occupied, x, 0)
        positions, features = x[..., : self.equivariant], x[..., self.equivariant :]
        mean = positions.sum(1, keepdim=True) / occupied.sum(1, keepdim=True).clamp(min=1)
        return torch.cat([torch.where(occupied, positions - mean, 0), features], -1)

    def _occupied(self, x: Tensor) -> Bool[Tensor, "_ places 1"]:
        """The places of points `x` that hold one; a single row where that is so for all."""
        if self.mask is None:
            return torch.ones(1, self.places, 1, dtype=torch.bool, device=x.device)
        return self.mask.to(x.device).unsqueeze(-1)

    def __repr__(self) -> str:
        return f"PointSet({self.places}, {self.equivariant}, {self.invariant})"
