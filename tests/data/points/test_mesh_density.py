"""Eigenfunctions of meshes, and points where they are positive."""

import math

import igl
import numpy as np
import pytest
import torch

from data import DataError, MeshDensity
from data.points.mesh_density import _eigenfunction


@pytest.fixture
def sphere():
    """A triangulated unit sphere, refined from an octahedron."""
    vertices = np.concatenate([np.eye(3), -np.eye(3)])
    faces = np.array(
        [
            (a + 3 * i, b + 3 * j, 2 + 3 * k)
            for (a, b) in [(0, 1)]
            for i in (0, 1)
            for j in (0, 1)
            for k in (0, 1)
        ]
    )
    normals = np.cross(*(vertices[faces[:, c]] - vertices[faces[:, 0]] for c in (1, 2)))
    inward = (normals * vertices[faces].mean(1)).sum(1) < 0
    faces[inward] = faces[inward][:, ::-1]
    for _ in range(4):
        vertices, faces = igl.upsample(vertices, faces, 1)
        vertices /= np.linalg.norm(vertices, axis=1, keepdims=True)
    return vertices, faces.astype(np.int64)


@pytest.mark.parametrize(("number", "degree"), [(0, 0), (2, 1), (6, 2), (12, 3)])
def test_eigenfunctions_of_the_sphere_are_spherical_harmonics(sphere, number, degree):
    vertices, faces = sphere
    f = _eigenfunction(vertices, faces, number)
    mass = igl.massmatrix(vertices, faces, igl.MASSMATRIX_TYPE_VORONOI)
    rayleigh = f @ -igl.cotmatrix(vertices, faces) @ f / (f @ mass @ f)
    assert rayleigh == pytest.approx(degree * (degree + 1), rel=0.02, abs=1e-8)
    assert f @ mass @ f == pytest.approx(mass.diagonal().sum())
    assert mass.diagonal() @ f**3 >= 0


@pytest.fixture
def bunny(shared_data):
    return MeshDensity(eigenfunction=10, points=20_000, upsample=0, root=str(shared_data))


def test_points_lie_on_the_mesh_where_the_eigenfunction_is_positive(bunny):
    bunny.setup()
    assert tuple(map(len, (bunny.train_dataset, bunny.test_dataset))) == (16_000, 2000)
    vertices, faces = bunny._fine
    points = bunny.test_dataset.points.double().numpy()
    square, face, _ = igl.point_mesh_squared_distance(points, vertices, faces)
    assert square.max() < 1e-12
    assert (bunny._values[faces[face]].mean(1) > 0).mean() > 0.999  # except for points on edges


def test_faces_have_their_probabilities_and_points_are_uniform_within_faces(bunny):
    corners, probability = bunny._faces
    mean = np.einsum("f,fd->d", probability, corners.mean(1))
    spread = bunny.read().std(0).numpy() / math.sqrt(20_000)
    assert (np.abs(bunny.read().mean(0).numpy() - mean) < 5 * spread).all()
    # The covariance of uniform points in a face is a quarter of that of its three corners.
    centred = corners - corners.mean(1, keepdims=True)
    within = np.einsum("f,fcd->", probability, centred**2) / 12
    between = np.einsum("f,fd->", probability, (corners.mean(1) - mean) ** 2)
    assert bunny.read().var(0).sum().item() == pytest.approx(within + between, rel=0.03)


def test_the_entropy_is_below_the_log_area_and_independent_of_refinement(bunny, shared_data):
    vertices, faces = bunny._fine
    assert bunny.entropy < math.log(igl.doublearea(vertices, faces).sum() / 2) - math.log(2) / 2
    finer = MeshDensity(eigenfunction=10, upsample=1, root=str(shared_data))
    assert finer.entropy == pytest.approx(bunny.entropy, abs=0.05)


def test_the_cache_gives_the_same_points(bunny, shared_data, cache):
    points = bunny.read()
    assert len(list(cache.glob("eigenfunctions/*.npy"))) == 1
    again = MeshDensity(eigenfunction=10, points=20_000, upsample=0, root=str(shared_data))
    assert torch.equal(again.read(), points)


CORNERS = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\n"
TETRAHEDRON = "f 1 3 2\nf 1 2 4\nf 2 3 4\nf 3 1 4\n"


def tetrahedron(tmp_path, text: str) -> MeshDensity:
    (tmp_path / "spot.obj").write_text(text)
    return MeshDensity("spot", eigenfunction=2, points=20, upsample=1, root=str(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no triangle mesh"),
        (CORNERS + "f 1 2 3\n", "no closed triangle mesh"),
        (CORNERS + TETRAHEDRON.replace("f 1 3 2", "f 1 2 3"), "some of its faces are flipped"),
        (CORNERS + TETRAHEDRON.replace("f 1 2 4", "f 1 2 9"), "names vertices 0 to 8 of 4"),
        (CORNERS.replace("v 1", "v nan") + TETRAHEDRON, "finite vertices .* cannot be read"),
        (
            CORNERS + "f 1 2 3\nf 1 4 2\nf 2 4 3\nf 3 4 1\n",
            r"inside out, its volume -0\.167 instead of 0\.167",
        ),
    ],
)
def test_open_flipped_and_inside_out_meshes_are_refused(tmp_path, text, message):
    with pytest.raises(DataError, match=rf"spot\.obj .*{message}.*: fetch the original file"):
        tetrahedron(tmp_path, text).setup()


def test_a_closed_mesh_is_accepted(tmp_path):
    data = tetrahedron(tmp_path, CORNERS + TETRAHEDRON)
    data.setup()
    x = data.train_dataset.points
    assert len(x) > 0
    assert ((x >= -1e-6) & (x <= 1 + 1e-6)).all()
    on_a_face = (x.abs() < 1e-5).any(1) | ((x.sum(1) - 1).abs() < 1e-5)
    assert on_a_face.all()


def test_wrong_arguments_and_missing_meshes_are_refused(tmp_path):
    with pytest.raises(DataError, match="bunny, spot, got 'teapot'"):
        MeshDensity("teapot")
    with pytest.raises(DataError, match="must be 2 or more"):
        MeshDensity(eigenfunction=1)
    with pytest.raises(DataError, match=r"bunny\.obj is at none of"):
        MeshDensity(root=str(tmp_path)).setup()
