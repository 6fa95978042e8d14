"""Triangle meshes as spaces: surfaces of any shape, whose geodesics have no formula."""

import math
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.randomness import Generators, uniform
from ldm.spaces.meshes.spectral import SpectralDistance
from ldm.spaces.meshes.surface import Surface
from ldm.spaces.space import Space

__all__ = ["Mesh"]


class Mesh(Surface, Space):
    """The surface of a triangle mesh in R^3; its reference measure is uniform by area.

    A point is its position in R^3; tangent vectors lie in the plane of the face. What geodesics
    would give is replaced: `exp` projects on the surface, as published models do; `distance` is the
    biharmonic one, a metric in units of length; `log` is refused, and the direction of a
    `SpectralDistance` stands in. The heat kernel is refused as well: a series of eigenfunctions
    fails for the small variances that noising starts from.

    Args:
        path: of an obj, off, ply or stl file; looked for under LDM_DATA and `datasets/` too.
        scale: what to multiply its coordinates with.
        eigenfunctions: how many of the Laplacian's spectral distances use.
        boundary: whether the surface may end somewhere, like a floor plan.

    Raises:
        ValueError: the file is missing or unreadable; it has NaN vertices, degenerate or flipped
            faces, edges or vertices that are not manifold, several pieces, or holes without
            `boundary`.

    Example:
        >>> import igl
        >>> _ = igl.writeOBJ("icosahedron.obj", *igl.icosahedron())
        >>> Mesh("icosahedron.obj", eigenfunctions=4).random(128).shape
        torch.Size([128, 3])
    """

    shape = (3,)
    dim = 2

    def __init__(
        self,
        path: str | Path,
        scale: float = 1.0,
        eigenfunctions: int = 200,
        boundary: bool = False,
    ) -> None:
        super().__init__(path, scale, eigenfunctions, boundary)
        self.log_volume = math.log(self.areas.sum())

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n 3"]:
        # In float64 and on the CPU, where the tables are: one seed, one point, in every dtype.
        u = uniform((n, 3), generator, "cpu", torch.float64)
        upto = self.areas.cumsum(0)
        face = torch.searchsorted(upto, u[:, 0] * upto[-1], right=True).clamp(max=len(upto) - 1)
        # Folding the unit square on a triangle by the root of one side keeps area uniform.
        root, share = u[:, 1:2].sqrt(), u[:, 2:]
        weights = torch.cat([1 - root, root * (1 - share), root * share], 1)
        points = torch.einsum("nc,ncd->nd", weights, self.corners[face])
        return points.to(device or torch.get_default_device(), dtype)

    def project(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """The nearest point of the surface; its derivative projects on the plane of the face."""
        return self.nearest(x)[0]

    def exp(self, x: Float[Tensor, "n 3"], v: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """The nearest point to `x + v`: a geodesic step within a face, close to one if short.

        A step longer than a thin part is thick may land on its other side.
        """
        return self.project(x + v)

    def log(self, x: Float[Tensor, "n 3"], y: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Not known.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            f"{self} has no logarithm: take the direction of a SpectralDistance on it instead"
        )

    def transport(
        self, x: Float[Tensor, "n 3"], y: Float[Tensor, "n 3"], v: Float[Tensor, "n 3"]
    ) -> Float[Tensor, "n 3"]:
        """By the smallest rotation that takes the normal at `x` to the one at `y`.

        An isometry; parallel transport where the faces share an edge or are the same.
        """
        source, target = self.normal(x), self.normal(y)
        along = (target * v).sum(1, keepdim=True)
        halves = 1 + (source * target).sum(1, keepdim=True)
        # Opposite normals span one plane: v may stay as it is.
        return v - along / halves.clamp(min=torch.finfo(v.dtype).eps) * (source + target)

    def frame(self, x: Float[Tensor, "n 3"], c: Float[Tensor, "n 2"]) -> Float[Tensor, "n 3"]:
        """Along the first edge of the face, and across it."""
        face = self.nearest(x)[1]
        first = torch.nn.functional.normalize(self.corners[face, 1] - self.corners[face, 0])
        second = torch.linalg.cross(self.normals[face], first)
        return c[:, :1] * first.to(x) + c[:, 1:] * second.to(x)

    def distance(self, x: Float[Tensor, "n 3"], y: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """The biharmonic distance: no geodesic one, but a metric, and in units of length."""
        return self._biharmonic.distance(x, y)

    @cached_property
    def _biharmonic(self) -> SpectralDistance:
        return SpectralDistance(self)

    def log_density(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Of the uniform law: minus the log area everywhere."""
        return x.new_full(x.shape[:1], -self.log_volume)

    def __repr__(self) -> str:
        return f"Mesh({len(self.vertices)} vertices, {len(self.faces)} faces, {self.digest})"
