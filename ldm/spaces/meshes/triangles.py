"""Reading of triangle meshes, and checks that they are surfaces."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from data.files.roots import expanded, find, looked_for

__all__ = ["check_triangles", "read_triangles"]


def read_triangles(
    path: str | Path,
) -> tuple[Float[np.ndarray, "vertices 3"], Int[np.ndarray, "faces 3"]]:
    """Read the vertices and faces of an obj, off, ply or stl file.

    Args:
        path: a path, also relative to the folder in the environment variable LDM_DATA or to
            `datasets/`.

    Raises:
        ValueError: the file does not exist or has no triangles.
    """
    import igl

    file = expanded(str(path))
    if not file.is_file():
        file = find(None, str(path))
    if file is None:
        raise ValueError(
            f"there is no mesh {path}, nor {looked_for(None, str(path))}: give the path of a "
            f"triangle mesh, or set LDM_DATA to the folder that holds it"
        )
    try:
        vertices, faces = igl.read_triangle_mesh(str(file))
    except RuntimeError as error:
        raise ValueError(
            f"cannot read {file}: expected an obj, off, ply or stl file of triangles"
        ) from error
    if vertices.shape[1:] != (3,) or faces.shape[1:] != (3,) or not len(faces):
        raise ValueError(
            f"{file} should hold triangles in R^3, got vertices of shape {vertices.shape} and "
            f"faces of shape {faces.shape}: triangulate it"
        )
    return vertices, faces.astype(np.int64)  # libigl may return another 64-bit type, `long long`


def check_triangles(
    vertices: Float[np.ndarray, "vertices 3"],
    faces: Int[np.ndarray, "faces 3"],
    boundary: bool = False,
) -> None:
    """Check that triangles form one connected, consistently oriented manifold surface.

    Args:
        vertices: positions.
        faces: indices of three vertices each, counter-clockwise seen from outside.
        boundary: allow a boundary.

    Raises:
        ValueError: at the first fault found, with zero-based indices of vertices, edges or faces.
    """
    _check_vertices(vertices, faces)
    _check_areas(vertices, faces)
    _check_edges(faces, boundary)
    _check_fans(faces, len(vertices))


def _check_vertices(vertices, faces):
    _refuse(
        np.flatnonzero(~np.isfinite(vertices).all(1)),
        "vertices {} are NaN or infinite: repair the file",
    )
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise ValueError(
            f"faces name vertices {faces.min()} to {faces.max()} of {len(vertices)}: the file is "
            f"damaged or cut short"
        )
    _refuse(
        np.setdiff1d(np.arange(len(vertices)), faces),
        "vertices {} belong to no face: remove them",
    )


def _check_areas(vertices, faces):
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    doubled = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    longest = np.max([np.linalg.norm(edge, axis=1) for edge in (b - a, c - b, a - c)], axis=0)
    _refuse(
        np.flatnonzero(doubled <= 1e-10 * longest**2),
        "faces {} are degenerate, without an area: collapse them or mesh anew",
    )


def _check_edges(faces, boundary):
    import igl

    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges, counts = np.unique(np.sort(directed, 1), axis=0, return_counts=True)
    _refuse(
        edges[counts > 2],
        "edges {} are not manifold, shared by more than two faces: split the surface there",
    )
    if len(np.unique(directed, axis=0)) < len(directed):
        # Some edge has the same direction in both of its faces.
        flipped = (igl.bfs_orient(faces)[0] != faces).any(1)
        few = flipped if 2 * flipped.sum() <= len(faces) else ~flipped
        _refuse(
            np.flatnonzero(few),
            "faces {} are flipped against their neighbours: swap two of their vertices",
        )
    if not boundary:
        _refuse(
            edges[counts == 1],
            "edges {} have a face on one side only: fill the holes, or say boundary=True if the "
            "surface is meant to end there",
        )


def _check_fans(faces, count):
    import igl

    _refuse(
        np.flatnonzero(~igl.is_vertex_manifold(faces)),
        "vertices {} are not manifold, pinching several fans of faces: double them",
    )
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]]).T
    pieces, _ = connected_components(
        coo_array((np.ones(ends.shape[1]), ends), shape=(count, count)), directed=False
    )
    if pieces > 1:
        raise ValueError(f"the mesh falls into {pieces} pieces: keep one, as no path joins them")


def _refuse(faults: np.ndarray, message: str) -> None:
    if len(faults):
        named = ", ".join(str(fault.tolist()) for fault in faults[:5])
        rest = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise ValueError(message.format(named + rest))
