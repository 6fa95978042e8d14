"""Eigenvalues and eigenfunctions of the Laplacian of a surface."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse.linalg import eigsh

from data.files.cache import cached, content_key
from data.files.roots import cache_folder

__all__ = ["Spectrum", "digest", "spectrum"]


class Spectrum(NamedTuple):
    """Eigenpairs of minus the Laplacian in ascending order, without the constant function."""

    values: Float[np.ndarray, " count"]
    """Eigenvalues, in units of 1 / length^2."""

    functions: Float[np.ndarray, "vertices count"]
    """Eigenfunctions at the vertices, orthonormal with respect to the vertex areas."""


def digest(vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"]) -> str:
    """Identify a mesh by the first 16 hexadecimal digits of the SHA-256 of its geometry."""
    return content_key(*(np.ascontiguousarray(part).tobytes() for part in (vertices, faces)))


def spectrum(
    vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"], count: int
) -> Spectrum:
    """Compute the first `count` non-constant eigenpairs, or read them from the cache.

    Uses linear finite elements: the cotangent Laplacian with the Voronoi areas of the vertices as
    masses (Meyer et al. 2003, "Discrete differential-geometry operators for triangulated
    2-manifolds"). Boundaries have Neumann conditions (the normal derivative vanishes).

    Raises:
        ValueError: `count` is more than the mesh has, given its number of vertices.
    """
    if not 1 <= count <= len(vertices) - 2:
        raise ValueError(
            f"a mesh of {len(vertices)} vertices has 1 to {len(vertices) - 2} eigenfunctions to "
            f"offer, got {count}: ask for fewer, or subdivide the mesh"
        )

    def make(path: Path) -> None:
        values, functions = _solve(vertices, faces, count)
        np.savez(path, values=values, functions=functions)

    file = cache_folder() / "spectra" / f"{digest(vertices, faces)}-{count}.npz"
    return cached(file, make, _read)


def _read(path: Path) -> Spectrum:
    with np.load(path) as saved:
        return Spectrum(saved["values"], saved["functions"])


def _solve(vertices, faces, count):
    import igl

    stiffness = -igl.cotmatrix(vertices, faces)
    mass = igl.massmatrix(vertices, faces, igl.MASSMATRIX_TYPE_VORONOI)
    # The stiffness matrix is singular: invert it with a small negative shift.
    start = np.random.default_rng(0).standard_normal(len(vertices))
    values, functions = eigsh(stiffness, count + 1, mass, sigma=-1 / mass.sum(), v0=start)
    return values[1:], functions[:, 1:]
