"""Meshes as spaces: a fine triangulated sphere against the sphere, and properties of any mesh."""

import copy
import math
import pickle

import pytest
import torch
from torch.func import jacfwd, jacrev, jvp, vmap
from torch.testing import assert_close

pytest.importorskip("igl")

from ldm.randomness import sample_generators
from ldm.spaces import Mesh
from ldm.spaces.walk import random_walk


@pytest.fixture(scope="module")
def sphere(icosphere) -> Mesh:
    return Mesh(icosphere, eigenfunctions=8)


@pytest.fixture(scope="module")
def floor(square) -> Mesh:
    return Mesh(square, scale=2.0, eigenfunctions=5, boundary=True)


def points(mesh: Mesh, n: int = 64, seed: int = 0) -> torch.Tensor:
    return mesh.random(n, torch.Generator().manual_seed(seed), dtype=torch.float64)


def ambient(n: int = 64) -> torch.Tensor:
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_areas_agree_with_the_sphere_and_the_square(sphere, floor):
    assert math.exp(sphere.log_volume) == pytest.approx(4 * math.pi, rel=2e-3)
    assert floor.log_volume == pytest.approx(math.log(4))
    assert_close(sphere.log_density(points(sphere)), torch.full((64,), -sphere.log_volume).double())


def test_random_points_are_uniform_by_area(sphere, floor):
    x = points(sphere, 20_000)
    assert_close(x.mean(0), torch.zeros(3).double(), atol=0.02, rtol=0)
    assert_close(x.T @ x / len(x), torch.eye(3).double() / 3, atol=0.01, rtol=0)
    cells, _ = torch.histogram(points(floor, 20_000)[:, 0], 10, range=(0, 2))
    assert (cells - 2000).abs().max() < 5 * math.sqrt(1800)


def test_random_points_are_uniform_within_a_face(write_mesh):
    corners = torch.tensor([[0.0, 0, 0], [3, 0, 0], [0, 2, 0]])
    triangle = Mesh(write_mesh(corners, [[0, 1, 2]]), eigenfunctions=2, boundary=True)
    weights = triangle.locate(points(triangle, 20_000))[1]
    # Barycentric coordinates of uniform points: mean 1/3, variance 1/18, covariance -1/36.
    assert_close(weights.mean(0), torch.full((3,), 1 / 3).double(), atol=0.008, rtol=0)
    covariance = (torch.eye(3) * 3 - 1).double() / 36
    assert_close(weights.T.cov(), covariance, atol=0.002, rtol=0)


def test_project_finds_the_nearest_point(sphere):
    far = ambient()
    nearest = sphere.project(far)
    # Nearer than 10,000 other points, and near the sphere up to the sagitta of the faces.
    others = torch.cdist(far, points(sphere, 10_000)).min(1).values
    assert ((nearest - far).norm(dim=1) <= others + 1e-12).all()
    assert_close(nearest, far / far.norm(dim=1, keepdim=True), atol=0.05, rtol=0)
    assert_close(sphere.project(nearest), nearest)
    sphere.check(points(sphere))


def test_barycentric_coordinates_reconstruct_their_points(sphere):
    x = points(sphere)
    face, weights = sphere.locate(x)
    assert_close(torch.einsum("nc,ncd->nd", weights, sphere.corners[face]), x)
    assert_close(weights.sum(1), torch.ones(64).double())
    assert weights.min() > -1e-12


def test_tangents_lie_in_the_face_and_frames_are_orthonormal_there(sphere):
    x, v = points(sphere), ambient()
    flat = sphere.tangent(x, v)
    assert_close(sphere.tangent(x, flat), flat)
    assert_close((flat * sphere.normal(x)).sum(1), torch.zeros(64).double())
    assert ((sphere.normal(x) * x).sum(1) > 0.99).all()  # normals point outward
    axes = torch.eye(2).double()
    first, second = (sphere.frame(x, axis.expand(64, 2)) for axis in axes)
    for u, w, product in [(first, first, 1.0), (second, second, 1.0), (first, second, 0.0)]:
        assert_close(sphere.inner(x, u, w), torch.full((64,), product).double())
    assert_close(sphere.tangent(x, first), first)


def test_transport_is_an_isometry_and_the_identity_for_equal_points(sphere):
    x, y = points(sphere), points(sphere, seed=1)
    u, v = sphere.tangent(x, ambient()), sphere.tangent(x, ambient().roll(1, 0))
    carried = sphere.transport(x, y, u), sphere.transport(x, y, v)
    assert_close(sphere.inner(y, *carried), sphere.inner(x, u, v))
    assert_close(sphere.tangent(y, carried[0]), carried[0])
    assert_close(sphere.transport(x, x, u), u)


def test_transport_over_an_edge_is_parallel(sphere):
    # Unfolding two faces about their common edge keeps the components along and across the edge.
    first = set(sphere.faces[0])
    other = next(i for i, face in enumerate(sphere.faces) if len(first & set(face)) == 2)
    ends = torch.from_numpy(sphere.vertices[list(first & set(sphere.faces[other]))])
    edge = (ends[1] - ends[0])[None]
    x, y = sphere.corners[[0]].mean(1), sphere.corners[[other]].mean(1)
    assert_close(sphere.transport(x, y, edge), edge)
    across = [torch.linalg.cross(sphere.normal(point), edge) for point in (x, y)]
    assert_close(sphere.transport(x, y, across[0]), across[1])


def test_short_steps_follow_great_circles(sphere):
    x = points(sphere)
    v = sphere.tangent(x, ambient())
    step = 0.02 * v / v.norm(dim=1, keepdim=True)
    y = sphere.exp(x, step)
    assert_close(y, torch.cos(step.norm(dim=1))[:, None] * x + step, atol=2e-3, rtol=0)
    assert_close(sphere.project(y), y)


def test_a_random_walk_has_the_mean_cosine_of_the_heat_kernel(sphere):
    # E[x . x_0] = exp(-s) on the sphere.
    origin = torch.tensor([[0.0, 0.6, 0.8]]).double().expand(4000, 3)
    s = torch.full((4000,), 0.3).double()
    x = random_walk(sphere, sphere.project(origin), s, 20, torch.Generator().manual_seed(0))
    assert (x * origin).sum(1).mean().item() == pytest.approx(math.exp(-0.3), abs=0.025)


def test_a_random_walk_stays_on_a_surface_with_boundary(floor):
    x = random_walk(floor, points(floor), torch.ones(64).double(), 10)
    assert x.min() >= 0
    assert x[:, :2].max() <= 2
    assert_close(x[:, 2], torch.zeros(64).double())


def test_the_derivative_of_project_is_the_tangent_projection_in_both_modes(sphere):
    x, v = points(sphere, 8), ambient(8)
    expected = sphere.tangent(x, v)
    assert_close(jvp(sphere.project, (x,), (v,))[1], expected)
    y = x.clone().requires_grad_()
    assert_close(torch.autograd.grad(sphere.project(y), y, v)[0], expected)
    for jacobian in (jacrev, jacfwd):
        each = vmap(jacobian(lambda y: sphere.project(y[None])[0]))(x)
        assert_close(torch.einsum("nij,nj->ni", each, v), expected)


def test_logarithm_and_heat_kernel_are_refused(sphere):
    x = points(sphere, 2)
    with pytest.raises(ValueError, match="has no logarithm: take the direction of a Spectral"):
        sphere.log(x, x)
    with pytest.raises(ValueError, match="heat kernel of Mesh"):
        _ = sphere.heat_kernel


def test_meshes_are_identified_by_their_geometry(icosphere, sphere):
    assert Mesh(icosphere, eigenfunctions=3) == sphere
    assert Mesh(icosphere, scale=2.0) != sphere
    assert repr(sphere).startswith("Mesh(2562 vertices, 5120 faces, ")


def test_copies_work_like_the_original_mesh(sphere):
    x = ambient()
    expected = sphere.project(x)  # builds the search tree, which cannot be copied
    for twin in (copy.deepcopy(sphere), pickle.loads(pickle.dumps(sphere))):
        assert twin == sphere
        assert torch.equal(twin.project(x), expected)


def test_nan_points_give_nan_and_leave_other_points_unchanged(sphere):
    x = ambient(3)
    x[1, 0] = torch.nan
    y = sphere.project(x)
    assert y[1].isnan().all()
    assert torch.equal(y[[0, 2]], sphere.project(x[[0, 2]]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_operations_keep_shape_and_dtype(sphere, dtype):
    x, v = sphere.random(2, dtype=dtype), torch.ones(2, 3, dtype=dtype)
    frame = sphere.frame(x, v[:, :2])
    for y in (x, frame, sphere.exp(x, v), sphere.tangent(x, v), sphere.transport(x, x, v)):
        assert (y.shape, y.dtype) == ((2, 3), dtype)
    for scalar in (sphere.distance(x, x), sphere.log_density(x)):
        assert (scalar.shape, scalar.dtype) == ((2,), dtype)
    assert sphere.project(x[:0]).shape == (0, 3)


def test_operations_run_on_the_meta_device(sphere):
    with torch.device("meta"):
        x = sphere.random(2)
        y = sphere.exp(x, sphere.random_tangent(x))
        assert y.is_meta
        assert sphere.transport(x, y, y).shape == x.shape
        assert sphere.distance(x, y).shape == sphere.log_density(x).shape == (2,)


def test_samples_with_own_generators_do_not_depend_on_the_batch(sphere):
    together = sphere.random(5, sample_generators(0, range(5)))
    alone = [sphere.random(1, sample_generators(0, [index])) for index in range(5)]
    assert torch.equal(together, torch.cat(alone))
    assert len(together.unique(dim=0)) == 5


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_points_stay_on_their_device(sphere):
    x = sphere.random(4, device="cuda")
    y = sphere.exp(x, sphere.random_tangent(x))
    assert y.is_cuda
    assert sphere.distance(x, y).is_cuda
    assert_close(sphere.distance(x, y).cpu(), sphere.distance(x.cpu(), y.cpu()))


@pytest.mark.parametrize(
    ("name", "vertices", "faces", "scale"),
    [("bunny", 2502, 5000, 1 / 250), ("spot", 2930, 5856, 1.0)],
)
def test_published_meshes_pass_the_checks(name, vertices, faces, scale, shared_data):
    file = shared_data / "meshes" / f"{name}.obj"
    if not file.is_file():
        pytest.skip(f"no {file}")
    mesh = Mesh(file, scale=scale)
    assert (len(mesh.vertices), len(mesh.faces)) == (vertices, faces)
    mesh.check(mesh.random(100, torch.Generator().manual_seed(0)))
