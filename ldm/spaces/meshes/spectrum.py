"""Vibrations of a surface: eigenvalues and eigenfunctions of its Laplacian."""

import hashlib
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse.linalg import eigsh

from data.files.roots import cache_folder
from data.files.whole import staging

__all__ = ["Spectrum", "digest", "spectrum"]


class Spectrum(NamedTuple):
    """Eigenpairs of minus the Laplacian, without the constant, lowest first."""

    values: Float[np.ndarray, " count"]
    """Per squared length."""

    functions: Float[np.ndarray, "vertices count"]
    """At the vertices; orthonormal under the vertices' areas."""


def digest(vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"]) -> str:
    """What tells a mesh from every other: 16 hexadecimal digits of its geometry's SHA-256."""
    geometry = (np.ascontiguousarray(part).tobytes() for part in (vertices, faces))
    return hashlib.sha256(b"".join(geometry)).hexdigest()[:16]


def spectrum(
    vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"], count: int
) -> Spectrum:
    """The first `count` eigenpairs that are not constant, from the cache where they are there.

    Linear finite elements: the cotangent Laplacian against the Voronoi areas of the vertices
    (Meyer et al. 2003, "Discrete differential-geometry operators for triangulated 2-manifolds").
    On a boundary the normal derivative vanishes.

    Raises:
        ValueError: a mesh of so few vertices has not as many eigenfunctions.
    """
    if not 1 <= count <= len(vertices) - 2:
        raise ValueError(
            f"a mesh of {len(vertices)} vertices has 1 to {len(vertices) - 2} eigenfunctions to "
            f"offer, got {count}: ask for fewer, or subdivide the mesh"
        )
    file = cache_folder() / "spectra" / f"{digest(vertices, faces)}-{count}.npz"
    if not file.is_file():
        values, functions = _solve(vertices, faces, count)
        with staging(file) as part:
            np.savez(part, values=values, functions=functions)
    with np.load(file) as saved:
        return Spectrum(saved["values"], saved["functions"])


def _solve(vertices, faces, count):
    import igl

    stiffness = -igl.cotmatrix(vertices, faces)
    mass = igl.massmatrix(vertices, faces, igl.MASSMATRIX_TYPE_VORONOI)
    # Shifted by less than the gap above zero, as the stiffness itself is singular.
    start = np.random.default_rng(0).standard_normal(len(vertices))
    values, functions = eigsh(stiffness, count + 1, mass, sigma=-1 / mass.sum(), v0=start)
    return values[1:], functions[:, 1:]
