"""Meshes with known geometry, written to files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def write_mesh(tmp_path_factory) -> Callable:
    """`write_mesh(vertices, faces)`: an obj file of a triangle mesh."""

    def write(vertices, faces) -> Path:
        file = tmp_path_factory.mktemp("mesh") / "mesh.obj"
        lines = [f"v {x!r} {y!r} {z!r}" for x, y, z in np.asarray(vertices, float).tolist()]
        lines += [f"f {a} {b} {c}" for a, b, c in (np.asarray(faces) + 1).tolist()]
        file.write_text("\n".join(lines) + "\n")
        return file

    return write


@pytest.fixture(scope="session", autouse=True)
def spectra(tmp_path_factory):
    """A cache of this session's own for what is computed of meshes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LDM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def icosphere(write_mesh) -> Path:
    """The unit sphere as 5,120 triangles: an icosahedron, each face cut in four four times."""
    igl = pytest.importorskip("igl")
    vertices, faces = igl.icosahedron()
    for _ in range(4):
        vertices, faces = igl.upsample(vertices, faces)
        vertices /= np.linalg.norm(vertices, axis=1, keepdims=True)
    return write_mesh(vertices, faces)


@pytest.fixture(scope="session")
def square(write_mesh) -> Path:
    """The unit square as a grid of 20 by 20 cells of two triangles, alternating in direction."""
    pytest.importorskip("igl")
    side = np.arange(21)
    x, y = np.meshgrid(side / 20, side / 20, indexing="ij")
    vertices = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], 1)
    faces = []
    for i in range(20):
        for j in range(20):
            a, b, c, d = 21 * i + j, 21 * (i + 1) + j, 21 * (i + 1) + j + 1, 21 * i + j + 1
            faces += [[a, b, c], [a, c, d]] if (i + j) % 2 else [[a, b, d], [b, c, d]]
    return write_mesh(vertices, faces)
