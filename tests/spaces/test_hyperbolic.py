"""Hyperbolic geometry in exact arithmetic, under isometries, far out, and in other libraries."""

import math

import geoopt
import mpmath
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from independent import geomstats
from torch.testing import assert_close

from ldm.spaces import Hyperboloid


def draw(n: int = 50, dim: int = 3, scale: float = 1.0, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    space = Hyperboloid(dim, scale)
    return [space.random(n, generator, dtype=torch.float64) for _ in range(2)]


def exact_distance(x: torch.Tensor, y: torch.Tensor) -> float:
    """Distance of the points with these spatial coordinates, to 60 digits."""
    with mpmath.workdps(120):
        a, b = ([mpmath.mpf(c) for c in z[1:].tolist()] for z in (x, y))
        times = [mpmath.sqrt(1 + mpmath.fdot(z, z)) for z in (a, b)]
        return float(mpmath.acosh(max(1, times[0] * times[1] - mpmath.fdot(a, b))))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@given(
    radius=st.floats(0, 15),
    apart=st.floats(-12, 2),
    angle=st.floats(0, math.pi),
    seed=st.integers(0, 2**31),
)
def test_distances_have_their_digits_near_and_far(dtype, radius, apart, angle, seed):
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(3, generator=generator, dtype=torch.float64)
    direction = direction / direction.norm()
    across = torch.linalg.cross(direction, direction.roll(1))
    turned = math.cos(angle) * direction + math.sin(angle) * across / across.norm()
    space = Hyperboloid(3)
    x = space.project(torch.cat([torch.zeros(1), math.sinh(radius) * direction])[None].to(dtype))
    step = 10**apart * torch.cat([torch.zeros(1), turned])
    for y in (x + step * x[:, :1], math.sinh(radius) * torch.cat([torch.zeros(1), turned])[None]):
        y = space.project(y.to(dtype))
        expected = exact_distance(x[0], y[0])
        error = abs(space.distance(x, y).item() - expected)
        # Not the squares of coordinates, which arccosh(-<x, y>) would lose.
        allowed = (8 + 4 * x[0, 0].item()) * torch.finfo(dtype).eps * expected
        assert error <= allowed + 2e-19  # squares of less vanish in float32


@given(seed=st.integers(0, 2**31), rapidity=st.floats(-2, 2))
def test_boosts_are_isometries_that_commute_with_every_law(seed, rapidity):
    x, y = draw(5, seed=seed)
    boost = torch.eye(4, dtype=torch.float64)
    boost[0, 0] = boost[1, 1] = math.cosh(rapidity)
    boost[0, 1] = boost[1, 0] = math.sinh(rapidity)
    space = Hyperboloid(3)
    v = space.random_tangent(x, torch.Generator().manual_seed(seed))
    assert_close(space.distance(x @ boost, y @ boost), space.distance(x, y))
    assert_close(space.log(x @ boost, y @ boost), space.log(x, y) @ boost, atol=1e-9, rtol=1e-9)
    assert_close(space.exp(x @ boost, v @ boost), space.exp(x, v) @ boost, atol=1e-9, rtol=1e-9)
    moved = space.transport(x @ boost, y @ boost, v @ boost)
    assert_close(moved, space.transport(x, y, v) @ boost, atol=1e-9, rtol=1e-9)


def test_points_at_the_same_height_are_apart_as_the_law_of_cosines_says():
    # Two legs of length r with an angle between them: cosh d = cosh^2 r - sinh^2 r cos angle.
    r, angle = 1.3, 2.0
    x, y = (
        torch.tensor([[math.cosh(r), math.sinh(r) * math.cos(a), math.sinh(r) * math.sin(a)]])
        for a in (0.3, 0.3 + angle)
    )
    expected = math.acosh(math.cosh(r) ** 2 - math.sinh(r) ** 2 * math.cos(angle))
    assert Hyperboloid(2).distance(x, y).item() == pytest.approx(expected, rel=1e-6)


def test_single_precision_undoes_steps_within_five_units_of_the_origin():
    space = Hyperboloid(2)
    generator = torch.Generator().manual_seed(0)
    x, v = space.random(1000, generator), torch.randn(1000, 2, generator=generator)
    near = (space.distance(x, space.project(torch.zeros(1000, 3))) < 2) & (v.norm(dim=1) < 3)
    x, v = x[near], v[near]
    y = space.exp(x, space.frame(x, v))
    assert_close(space.distance(x, y), v.norm(dim=1), atol=1e-5, rtol=1e-5)
    assert_close(space.exp(x, space.log(x, y)), y, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_steps_of_any_length_end_on_points_that_can_be_worked_with(dtype):
    space = Hyperboloid(2)
    origin = space.project(torch.zeros(1, 3, dtype=dtype))
    step = torch.tensor([[0.0, 1e4, 0.0]], dtype=dtype)
    there, back = space.exp(origin, step), space.exp(origin, -step)
    beyond = space.exp(there, space.tangent(there, there.flip(1)))
    for x in (there, back, beyond):
        assert x.isfinite().all()
        for y in (origin, there, back):
            assert space.distance(x, y).isfinite().all()
            assert space.log(x, y).isfinite().all()
    radius = math.log(torch.finfo(dtype).max) / 4 - 2
    assert space.distance(origin, there).item() == pytest.approx(radius, abs=1)
    assert space.distance(there, back).item() == pytest.approx(2 * radius, abs=2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_largest_steps_go_as_far_as_any_and_the_same_way(dtype):
    space, largest = Hyperboloid(2), torch.finfo(dtype).max
    x = space.project(torch.tensor([[0.0, 0.0, 0.0], [0.0, 3.0, -40.0]], dtype=dtype))
    c = torch.tensor([[0.6, -0.8]], dtype=dtype).expand(2, 2)
    # Its time, too, has to be a number.
    far, farthest = (space.exp(x, space.frame(x, c * size)) for size in (1e6, largest / 1e4))
    assert_close(farthest, far, rtol=1e-3, atol=0)


def test_a_long_walk_stays_on_the_hyperboloid():
    space = Hyperboloid(2)
    generator = torch.Generator().manual_seed(0)
    x = space.random(10, generator, dtype=torch.float64)
    for _ in range(500):
        x = space.exp(x, 0.05 * space.random_tangent(x, generator))
    assert_close(space.inner(x, x, x), -torch.ones(10).double(), atol=1e-9, rtol=0)


@pytest.mark.parametrize("dim", [1, 2, 3, 6])
@pytest.mark.parametrize("scale", [0.3, 1.5])
def test_the_reference_density_integrates_to_one(dim, scale):
    r = torch.linspace(0, 14, 14001, dtype=torch.float64)
    zeros = torch.zeros(len(r), dim - 1, dtype=torch.float64)
    x = torch.cat([r.cosh()[:, None], r.sinh()[:, None], zeros], 1)
    sphere = 2 * math.pi ** (dim / 2) / math.gamma(dim / 2)
    mass = Hyperboloid(dim, scale).log_density(x).exp() * sphere * r.sinh() ** (dim - 1)
    assert torch.trapezoid(mass, r).item() == pytest.approx(1, abs=1e-6)


def test_reference_points_have_normal_logs_at_the_origin():
    space = Hyperboloid(2, scale=0.7)
    x = space.random(20_000, torch.Generator().manual_seed(0), dtype=torch.float64)
    origin = space.project(torch.zeros_like(x))
    v = space.log(origin, x)[:, 1:] / 0.7
    assert_close(v.T @ v / len(v), torch.eye(2).double(), atol=0.04, rtol=0)
    assert space.distance(origin, x).square().mean().item() == pytest.approx(2 * 0.49, rel=0.03)


def test_geoopt_agrees():
    (x, y), space, theirs = draw(), Hyperboloid(3), geoopt.Lorentz()
    v = space.random_tangent(x, torch.Generator().manual_seed(0))
    assert_close(space.distance(x, y), theirs.dist(x, y).squeeze(), atol=1e-7, rtol=1e-7)
    assert_close(space.exp(x, v), theirs.expmap(x, v), atol=1e-6, rtol=1e-6)
    assert_close(space.log(x, y), theirs.logmap(x, y), atol=1e-6, rtol=1e-6)
    assert_close(space.transport(x, y, v), theirs.transp(x, y, v), atol=1e-6, rtol=1e-6)
    assert_close(space.gradient(x, y), theirs.egrad2rgrad(x, y), atol=1e-6, rtol=1e-6)
    assert_close(space.inner(x, v, v), theirs.inner(x, v, v), atol=1e-9, rtol=1e-9)


def test_geomstats_agrees():
    geomstats()
    from geomstats.geometry.hyperboloid import Hyperboloid as Theirs

    (x, y), space, theirs = draw(scale=0.3), Hyperboloid(3), Theirs(3).metric
    v = space.random_tangent(x, torch.Generator().manual_seed(0))
    assert_close(space.distance(x, y), theirs.dist(x, y), atol=1e-6, rtol=1e-6)
    # Their exp is off by 3e-5 from cosh and sinh of the length.
    assert_close(space.exp(x, v), theirs.exp(v, x), atol=1e-3, rtol=1e-3)
    assert_close(space.log(x, y), theirs.log(y, x), atol=1e-6, rtol=1e-6)


def test_curvature_is_minus_one_geodesics_part_like_sinh():
    space, t, angle = Hyperboloid(2), 3.0, 1e-4
    origin = space.project(torch.zeros(2, 3, dtype=torch.float64))
    v = t * torch.tensor([[0, 1, 0], [0, math.cos(angle), math.sin(angle)]], dtype=torch.float64)
    x = space.exp(origin, v)
    expected = 2 * math.asinh(math.sinh(t) * math.sin(angle / 2))
    assert space.distance(x[:1], x[1:]).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("dim", "scale"), [(0, 1.0), (2, 0.0), (2, math.nan)])
def test_no_dimension_or_no_scale_is_refused(dim, scale):
    with pytest.raises(ValueError, match=f"got {dim} and {scale}"):
        Hyperboloid(dim, scale)
