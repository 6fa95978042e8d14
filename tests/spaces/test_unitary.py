"""Special unitary groups against scipy's matrix functions, spheres and Haar's moments."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm, logm
from torch.testing import assert_close

from ldm.spaces import SpecialUnitary, Sphere
from ldm.spaces.numerics.eigenangles import eigenangles

sizes = pytest.mark.parametrize("n", [2, 3, 4])
small = pytest.mark.parametrize("n", [2, 3])


def points(n: int, seed: int, count: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return SpecialUnitary(n).random(count, generator, dtype=torch.float64)


def quaternions(x: torch.Tensor) -> torch.Tensor:
    """SU(2) as unit vectors: the first row of (w + iz, y + ix; ...)."""
    return torch.stack([x[:, 0, 0, 0], x[:, 1, 0, 1], x[:, 0, 0, 1], x[:, 1, 0, 0]], 1)


def test_volumes_are_the_known_ones():
    # In the metric of half the size these are 2 pi^2 and sqrt(3) pi^5.
    assert SpecialUnitary(2).log_volume == pytest.approx(math.log(2**1.5 * 2 * math.pi**2))
    assert SpecialUnitary(3).log_volume == pytest.approx(math.log(16 * 3**0.5 * math.pi**5))
    # SU(n) / SU(n - 1) is a sphere, with one direction longer: by sqrt(n / (n - 1)), all those of
    # the others by sqrt(2) against its embedding as the last column.
    for n in (3, 4, 9):
        ratio = SpecialUnitary(n).log_volume - SpecialUnitary(n - 1).log_volume
        stretch = (n - 1) * math.log(2) + 0.5 * math.log(n / (n - 1))
        assert ratio == pytest.approx(Sphere(2 * n - 1).log_volume + stretch)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_su2_is_a_sphere_of_radius_root_two(seed):
    x, y = points(2, seed), points(2, seed + 1)
    angle = Sphere(3).distance(quaternions(x), quaternions(y))
    assert_close(SpecialUnitary(2).distance(x, y), math.sqrt(2) * angle)
    v = SpecialUnitary(2).random_tangent(x, torch.Generator().manual_seed(seed))
    moved = SpecialUnitary(2).transport(x, y, v)
    theirs = Sphere(3).transport(quaternions(x), quaternions(y), quaternions(v))
    assert_close(quaternions(moved), theirs)


@sizes
def test_exp_and_log_are_scipys(n):
    space = SpecialUnitary(n)
    x = space.coordinates(torch.eye(n, dtype=torch.complex128)[None], torch.float64)
    for seed in range(10):
        v = space.random_tangent(x, torch.Generator().manual_seed(seed))
        y = space.matrix(space.exp(x, v))[0]
        assert_close(y, torch.from_numpy(expm(space.matrix(v)[0].numpy())))
        if n > 2 and seed < 5:  # principal there, whose trace may not vanish
            v = v / 2
            y = space.exp(x, v)
            theirs = torch.from_numpy(logm(space.matrix(y)[0].numpy()))
            assert_close(space.matrix(space.log(x, y))[0], theirs, atol=1e-10, rtol=0)


@sizes
def test_random_matrices_have_haars_moments(n):
    # E|tr|^2k counts pairs of permutations of k without an increasing run longer than n: k! for
    # k <= n. SU(n) has E tr^n = 1 besides, where U(n) has 0.
    count = 40_000
    space = SpecialUnitary(n)
    trace = space.matrix(points(n, 0, count)).diagonal(dim1=1, dim2=2).sum(1)
    for value, expected in (
        (trace.real, 0.0),
        (trace.abs() ** 2, 1.0),
        (trace.abs() ** 4, 2.0),
        ((trace**n).real, 1.0),
        ((trace**n).imag, 0.0),
    ):
        error = value.std().item() / math.sqrt(count)
        assert value.mean().item() == pytest.approx(expected, abs=4 * error + 1e-12)


@sizes
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), exponent=st.floats(-20, 0))
def test_eigenvectors_stay_orthonormal_however_near_angles_meet(n, seed, exponent):
    generator = torch.Generator().manual_seed(seed)
    vectors = SpecialUnitary(n).matrix(points(n, seed, 8))
    angles = 10**exponent * torch.randn(8, n, generator=generator, dtype=torch.float64)
    # About all elements of the centre, and about one pair of opposite angles.
    centre = torch.randint(n, (8, 1), generator=generator).double() * (2 * math.pi / n)
    pair = torch.zeros(n).index_add(0, torch.tensor([0, n - 1]), torch.tensor([2.0, -2.0]))
    angles = angles + centre + torch.arange(8)[:, None].fmod(2) * pair
    angles = angles - angles.mean(1, keepdim=True) + centre
    u = (vectors * torch.polar(torch.ones_like(angles), angles)[:, None]) @ vectors.mH
    found, basis = eigenangles(u - torch.eye(n))
    assert_close(basis.mH @ basis, torch.eye(n).to(u).expand(8, -1, -1), atol=1e-13, rtol=0)
    again = (basis * torch.polar(torch.ones_like(found), found)[:, None]) @ basis.mH
    assert_close(again, u, atol=1e-13, rtol=0)
    assert_close(found.sum(1), torch.zeros(8).double(), atol=1e-13, rtol=0)
    assert (found.amax(1) - found.amin(1) <= 2 * math.pi + 1e-12).all()


@pytest.mark.parametrize("length", [1e-3, 1e-6, 1e-9, 1e-12])
def test_small_distances_keep_their_digits(length):
    space, x = SpecialUnitary(3), points(3, 0)
    eye = space.coordinates(torch.eye(3, dtype=torch.complex128)[None], torch.float64)
    x = eye.expand_as(x)
    v = space.random_tangent(x, torch.Generator().manual_seed(0))
    v = v * (length / space.inner(x, v, v).sqrt())[:, None, None, None]
    y = space.exp(x, v)
    assert_close(space.log(x, y), v, atol=1e-14 * length, rtol=0)
    assert_close(space.distance(x, y), torch.full_like(x[:, 0, 0, 0], length), rtol=1e-14, atol=0)


@sizes
def test_projection_is_nearest_among_all_neighbours(n):
    space = SpecialUnitary(n)
    m = torch.randn(200, *space.shape, generator=torch.Generator().manual_seed(0)).double()
    x = space.project(m)
    # A minimum: no slope, and curvature in no direction; SU(2) is the direction of a quaternion.
    assert_close(space.tangent(x, m - x), torch.zeros_like(m), atol=1e-10, rtol=0)
    best = (m - x).flatten(1).norm(dim=1)
    generator = torch.Generator().manual_seed(1)
    for scale in (0.01, 0.3, 1.0, 3.0):
        for _ in range(10):
            other = space.exp(x, scale * space.random_tangent(x, generator))
            assert ((m - other).flatten(1).norm(dim=1) >= best - 1e-12).all()


def test_projection_on_su2_is_the_direction_of_a_quaternion():
    m = torch.randn(100, 2, 2, 2, generator=torch.Generator().manual_seed(0)).double()
    sign = torch.tensor([1, -1])
    a, b = m[..., 0, 0] + sign * m[..., 1, 1], m[..., 0, 1] - sign * m[..., 1, 0]
    q = torch.stack([a[:, 0], b[:, 1], b[:, 0], a[:, 1]], 1)
    x = SpecialUnitary(2).project(m)
    assert_close(quaternions(x), q / q.norm(dim=1, keepdim=True))


@small
def test_projection_can_be_differentiated_also_on_the_group(n):
    space = SpecialUnitary(n)
    m = torch.randn(2, *space.shape, generator=torch.Generator().manual_seed(0)).double()
    assert torch.autograd.gradcheck(space.project, m.requires_grad_(), check_forward_ad=True)
    x = points(n, 0, 2).requires_grad_()
    assert torch.autograd.gradcheck(space.project, x)


@small
def test_gradients_of_log_are_right_also_where_eigenangles_meet(n):
    space = SpecialUnitary(n)
    x, y = points(n, 0, 3), points(n, 1, 3)
    y[0] = x[0]
    angles = 0.4 * torch.tensor([1.0] * (n - 1) + [1.0 - n], dtype=torch.float64)
    turn = torch.diag(torch.polar(torch.ones_like(angles), angles))
    y[1] = space.coordinates((space.matrix(x) @ turn)[1:2], x.dtype)[0]

    def between(m):
        return space.log(x, space.project(m))

    assert torch.autograd.gradcheck(between, y.requires_grad_())


def test_a_long_walk_stays_on_the_group():
    space, generator = SpecialUnitary(3), torch.Generator().manual_seed(0)
    x = space.random(8, generator)
    for _ in range(200):
        x = space.exp(x, 0.1 * space.random_tangent(x, generator))
    assert_close(space.project(x), x, atol=2e-6, rtol=0)


def test_a_group_built_without_data_serves_data():
    with torch.device("meta"):
        space = SpecialUnitary(3)
    x = points(3, 0)
    assert torch.equal(
        space.random_tangent(x, torch.Generator().manual_seed(0)),
        SpecialUnitary(3).random_tangent(x, torch.Generator().manual_seed(0)),
    )


def test_su1_is_refused():
    with pytest.raises(ValueError, match="size 2 or more, got 1"):
        SpecialUnitary(1)
