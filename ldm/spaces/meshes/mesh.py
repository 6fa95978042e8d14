"""Triangle meshes as spaces: surfaces whose geodesics have no closed form."""

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
    """The surface of a triangle mesh in R^3, with the uniform distribution by area as reference.

    A point is its position in R^3; tangent vectors lie in the plane of the face. Operations that
    need geodesics are replaced: `exp` projects onto the surface, as published models do; `distance`
    is the biharmonic distance, a metric in units of length; `log` raises an error, use the
    direction of a `SpectralDistance` instead. There is no heat kernel: a truncated series of
    eigenfunctions fails for the small variances at the start of noising.

    Args:
        path: an obj, off, ply or stl file; also searched for under LDM_DATA and `datasets/`.
        scale: factor for the coordinates.
        eigenfunctions: number of Laplacian eigenfunctions in spectral distances.
        boundary: allow a surface with boundary, such as a floor plan.

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
        # On the CPU in float64, so that a seed gives the same point for every device and dtype.
        u = uniform((n, 3), generator, "cpu", torch.float64)
        upto = self.areas.cumsum(0)
        face = torch.searchsorted(upto, u[:, 0] * upto[-1], right=True).clamp(max=len(upto) - 1)
        # The square root makes the map from the unit square to the triangle uniform by area.
        root, share = u[:, 1:2].sqrt(), u[:, 2:]
        weights = torch.cat([1 - root, root * (1 - share), root * share], 1)
        points = torch.einsum("nc,ncd->nd", weights, self.corners[face])
        return points.to(device or torch.get_default_device(), dtype)

    def project(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Find the nearest point of the surface; the derivative projects to the face's plane."""
        return self.nearest(x)[0]

    def exp(self, x: Float[Tensor, "n 3"], v: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Find the surface point nearest to `x + v`, which approximates the geodesic step.

        It is exact within a face. A step longer than the thickness of a thin part may end on the
        opposite side.
        """
        return self.project(x + v)

    def log(self, x: Float[Tensor, "n 3"], y: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Raise an error: the logarithm has no closed form.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            f"{self} has no logarithm: take the direction of a SpectralDistance on it instead"
        )

    def transport(
        self, x: Float[Tensor, "n 3"], y: Float[Tensor, "n 3"], v: Float[Tensor, "n 3"]
    ) -> Float[Tensor, "n 3"]:
        """Apply the smallest rotation that takes the normal at `x` to the normal at `y`.

        This is an isometry; it is parallel transport if the faces are equal or share an edge.
        """
        source, target = self.normal(x), self.normal(y)
        along = (target * v).sum(1, keepdim=True)
        halves = 1 + (source * target).sum(1, keepdim=True)
        # For opposite normals v already lies in the other tangent plane and stays unchanged.
        return v - along / halves.clamp(min=torch.finfo(v.dtype).eps) * (source + target)

    def frame(self, x: Float[Tensor, "n 3"], c: Float[Tensor, "n 2"]) -> Float[Tensor, "n 3"]:
        """Map coordinates to the basis along, and orthogonal to, the first edge of the face."""
        face = self.nearest(x)[1]
        first = torch.nn.functional.normalize(self.corners[face, 1] - self.corners[face, 0])
        second = torch.linalg.cross(self.normals[face], first)
        return c[:, :1] * first.to(x) + c[:, 1:] * second.to(x)

    def distance(self, x: Float[Tensor, "n 3"], y: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Compute the biharmonic distance, a metric in units of length (not geodesic)."""
        return self._biharmonic.distance(x, y)

    @cached_property
    def _biharmonic(self) -> SpectralDistance:
        return SpectralDistance(self)

    def log_density(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, " n"]:
        """Compute the log density of the uniform distribution, minus the log area."""
        return x.new_full(x.shape[:1], -self.log_volume)

    def __repr__(self) -> str:
        return f"Mesh({len(self.vertices)} vertices, {len(self.faces)} faces, {self.digest})"
