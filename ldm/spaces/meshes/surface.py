"""Triangulated surfaces: nearest points, barycentric coordinates, normals."""

from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ldm.spaces.meshes.spectrum import Spectrum, digest, spectrum
from ldm.spaces.meshes.triangles import check_triangles, read_triangles

__all__ = ["Surface"]


class Surface:
    """A connected, oriented surface of triangles in R^3.

    A function on it is given by its values at the vertices, `(vertices, k)`, and is linear on each
    face. The nearest face is searched for on the CPU, so all tables stay there, in float64; only
    the rows of the queried points are moved to the points' device.

    Args:
        path: an obj, off, ply or stl file; also searched for under LDM_DATA and `datasets/`.
        scale: factor for the coordinates.
        eigenfunctions: number of Laplacian eigenfunctions in `spectrum`.
        boundary: allow a surface with boundary, such as a floor plan.

    Raises:
        ValueError: the file is missing or unreadable, or not such a surface: see
            `check_triangles`.
    """

    def __init__(
        self,
        path: str | Path,
        scale: float = 1.0,
        eigenfunctions: int = 200,
        boundary: bool = False,
    ) -> None:
        vertices, faces = read_triangles(path)
        self.vertices, self.faces = scale * vertices, faces
        check_triangles(self.vertices, self.faces, boundary)
        self.eigenfunctions = eigenfunctions
        self.digest = digest(self.vertices, self.faces)

        corners = torch.from_numpy(self.vertices[self.faces])
        edges = corners.roll(-2, 1) - corners.roll(-1, 1)  # edge i is opposite corner i
        normals = torch.linalg.cross(edges[:, 0], edges[:, 1])
        doubled = normals.norm(dim=1)
        self.corners: Float[Tensor, "faces 3 3"] = corners
        self.areas: Float[Tensor, " faces"] = doubled / 2
        self.normals: Float[Tensor, "faces 3"] = normals / doubled[:, None]
        # Gradients of barycentric coordinates: orthogonal to the opposite edge, of size 1 / height.
        self.slopes: Float[Tensor, "faces 3 3"] = (
            torch.linalg.cross(self.normals[:, None].expand_as(edges), edges)
            / doubled[:, None, None]
        )

    @cached_property
    def spectrum(self) -> Spectrum:
        """First eigenpairs of minus the Laplacian, without the constant function."""
        return spectrum(self.vertices, self.faces, self.eigenfunctions)

    def nearest(self, x: Float[Tensor, "n 3"]) -> tuple[Float[Tensor, "n 3"], Int[Tensor, " n"]]:
        """Find the nearest point of the surface, and the index of its face (on the CPU).

        The derivative of the point is the projection to the plane of its face. NaN gives NaN.
        """
        face, point = _Search.apply(x.detach(), self)
        # The second term has value zero and supplies the derivative.
        return point.to(x) + _flatten(x - x.detach(), self.normals[face].to(x)), face

    def locate(self, x: Float[Tensor, "n 3"]) -> tuple[Int[Tensor, " n"], Float[Tensor, "n 3"]]:
        """Find the face of the nearest point (on the CPU) and its barycentric coordinates.

        Computed in double precision, which autocast does not round.
        """
        x = x.double()
        point, face = self.nearest(x)
        away = point - self.corners[face, 0].to(x)
        first = torch.eye(3, dtype=x.dtype, device=x.device)[0]
        return face, first + torch.einsum("ncd,nd->nc", self.slopes[face].to(x), away)

    def tangent(self, x: Float[Tensor, "n 3"], v: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Project `v` to the plane of the face at `x`."""
        return _flatten(v, self.normal(x))

    def normal(self, x: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
        """Look up the outward unit normal of the face at `x`."""
        return self.normals[_Search.apply(x.detach(), self)[0]].to(x)

    @cached_property
    def _tree(self):
        import igl

        tree = igl.AABB()
        tree.init(self.vertices, self.faces)
        return tree

    def __getstate__(self) -> dict:
        return {key: value for key, value in self.__dict__.items() if key != "_tree"}


def _flatten(v: Tensor, normal: Tensor) -> Tensor:
    return v - (v * normal).sum(-1, keepdim=True) * normal


class _Search(torch.autograd.Function):
    """Search on the CPU for the nearest faces and points; works under `torch.func.vmap`."""

    @staticmethod
    def forward(x: Tensor, surface: Surface) -> tuple[Tensor, Tensor]:
        if x.is_meta:
            return torch.zeros(len(x), dtype=torch.int64, device="cpu"), x
        points = x.to("cpu", torch.float64).contiguous().numpy()
        known = np.isfinite(points).all(1, keepdims=True)
        _, face, point = surface._tree.squared_distance(
            surface.vertices, surface.faces, np.where(known, points, 0.0)
        )
        return torch.from_numpy(face), torch.from_numpy(np.where(known, point, np.nan))

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.mark_non_differentiable(*output)

    @staticmethod
    def vmap(info, in_dims, x: Tensor, surface: Surface) -> tuple:
        x = x.movedim(in_dims[0], 0)
        found = _Search.apply(x.flatten(0, 1), surface)
        return tuple(part.unflatten(0, x.shape[:2]) for part in found), (0, 0)
