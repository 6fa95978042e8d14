"""Closed forms on spheres, and the two ends where naive formulas fail."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch.testing import assert_close

from ldm.spaces import Sphere

angles = st.floats(-3, 3)


def circle(angle: float) -> torch.Tensor:
    return torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64)


@settings(max_examples=50, deadline=None)
@given(start=angles, turn=angles)
def test_the_circle_adds_angles(start, turn):
    x, direction = circle(start), circle(start + math.pi / 2)
    assert_close(Sphere(1).exp(x, turn * direction), circle(start + turn))
    assert_close(Sphere(1).log(x, circle(start + turn)), turn * direction)


@pytest.mark.parametrize(
    ("dim", "volume"), [(1, 2 * math.pi), (2, 4 * math.pi), (3, 2 * math.pi**2)]
)
def test_the_density_is_one_over_the_known_volume(dim, volume):
    x = Sphere(dim).random(3, dtype=torch.float64)
    assert_close(Sphere(dim).log_density(x), torch.full_like(x[:, 0], -math.log(volume)))


@settings(max_examples=50, deadline=None)
@given(dim=st.integers(3, 1000))
def test_volumes_obey_their_recursion(dim):
    ratio = Sphere(dim).log_volume - Sphere(dim - 2).log_volume
    assert ratio == pytest.approx(math.log(2 * math.pi / (dim - 1)), abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@settings(max_examples=50, deadline=None)
@given(exponent=st.floats(-30, -1), seed=st.integers(0, 2**31))
def test_small_distances_keep_their_digits(dtype, exponent, seed):
    # arccos of a rounded cosine is 0 or off by half its digits below the root of epsilon.
    sphere, length = Sphere(2), 10**exponent
    x = torch.tensor([[0.0, 0.0, 1.0]], dtype=dtype)
    turn = 2 * math.pi * seed / 2**31
    v = length * torch.tensor([[math.cos(turn), math.sin(turn), 0.0]], dtype=dtype)
    y = sphere.exp(x, v)
    rtol = 8 * torch.finfo(dtype).eps
    assert_close(sphere.log(x, y), v, rtol=rtol, atol=rtol * length)
    if length > 1e-15:  # below, squares of chords underflow in float32
        assert_close(sphere.distance(x, y), v.norm(dim=1), rtol=rtol, atol=0)


@pytest.mark.parametrize("length", [1e-1, 1e-3, 1e-5])
def test_the_direction_to_a_near_point_keeps_its_digits(length):
    sphere, generator = Sphere(5), torch.Generator().manual_seed(0)
    x = sphere.random(16, generator)
    y = sphere.exp(x, length * sphere.tangent(x, sphere.random(16, generator)))
    exact = sphere.log(x.double(), y.double())
    # Taken from y - x, an exact difference; from y alone it would err by 1e-7 / length.
    error = (sphere.log(x, y) - exact).norm(dim=1) / exact.norm(dim=1)
    assert error.max() < 1e-6


@pytest.mark.parametrize("dim", [1, 2, 7])
@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), exponent=st.floats(-20, -1))
def test_near_the_antipode_log_is_tangent_and_arrives(dim, seed, exponent):
    sphere, generator = Sphere(dim), torch.Generator().manual_seed(seed)
    x, other = (sphere.random(4, generator, dtype=torch.float64) for _ in range(2))
    gap = 10**exponent
    off = sphere.tangent(x, other)
    off = gap * off / off.norm(dim=1, keepdim=True)
    y = sphere.exp(-x, off)
    log = sphere.log(x, y)
    assert_close(sphere.exp(x, log), y, atol=1e-13, rtol=0)
    assert_close((x * log).sum(1), torch.zeros(4, dtype=torch.float64), atol=1e-13, rtol=0)
    assert_close(log.norm(dim=1), torch.full_like(log[:, 0], math.pi - gap), atol=1e-13, rtol=0)


def test_to_the_exact_antipode_log_is_some_half_turn():
    x = torch.eye(4, dtype=torch.float64)
    log = Sphere(3).log(x, -x)
    assert_close(log.norm(dim=1), torch.full((4,), math.pi, dtype=torch.float64))
    assert_close(Sphere(3).exp(x, log), -x)


def test_the_origin_projects_to_a_point_without_breaking_gradients():
    x = torch.zeros(2, 3, requires_grad=True)
    y = Sphere(2).project(x)
    y.sum().backward()
    assert_close(y.norm(dim=1), torch.ones(2))
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_points_of_every_length_project_to_the_sphere(dtype):
    smallest = math.log10(torch.finfo(dtype).tiny)
    length = torch.logspace(smallest - 1, -smallest / 2 - 1, 400, dtype=torch.float64)
    x = length[:, None] * torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64)
    y = Sphere(2).project(x.to(dtype)).double()
    rounding = 4 * torch.finfo(dtype).eps
    assert_close(y.norm(dim=1), torch.ones(400, dtype=torch.float64), atol=rounding, rtol=0)
    kept = length > 10 ** (smallest / 2 + 2)
    assert_close(y[kept], (x / length[:, None])[kept], atol=rounding, rtol=0)


@settings(max_examples=50, deadline=None)
@given(radius=st.floats(0.1, 10))
def test_tangent_fields_stay_tangent_off_the_sphere(radius):
    x, v = Sphere(4).random(3, dtype=torch.float64), torch.ones(3, 5, dtype=torch.float64)
    tangent = Sphere(4).tangent(radius * x, v)
    assert_close(tangent, Sphere(4).tangent(x, v))


def test_random_points_are_uniform():
    x = Sphere(2).random(5000, torch.Generator().manual_seed(0))
    for height in x.unbind(1):  # Archimedes: every coordinate is uniform on [-1, 1]
        assert stats.kstest(height.numpy(), stats.uniform(-1, 2).cdf).pvalue > 0.01


def test_a_long_walk_stays_on_the_sphere():
    sphere, generator = Sphere(2), torch.Generator().manual_seed(0)
    x = sphere.random(8, generator)
    for _ in range(1000):
        x = sphere.exp(x, 0.01 * torch.randn(8, 3, generator=generator).cross(x, dim=1))
    assert_close(x.norm(dim=1), torch.ones(8), atol=3e-7, rtol=0)


def test_s0_is_refused():
    with pytest.raises(ValueError, match="dimension of 1 or more, got 0"):
        Sphere(0)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_transport_to_the_antipode_keeps_lengths_and_angles(dim):
    sphere, generator = Sphere(dim), torch.Generator().manual_seed(dim)
    x = sphere.random(20, generator, dtype=torch.float64)
    v, w = (sphere.random_tangent(x, generator) for _ in range(2))
    v_there, w_there = (sphere.transport(x, -x, one) for one in (v, w))
    assert_close((v_there * x).sum(1), torch.zeros(20).double())
    assert_close(v_there.norm(dim=1), v.norm(dim=1))
    assert_close((v_there * w_there).sum(1), (v * w).sum(1))
