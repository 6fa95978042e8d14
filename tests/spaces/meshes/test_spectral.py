"""Spectral distances: closed forms on the sphere, and gradients against finite differences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

pytest.importorskip("igl")

from ldm.spaces import Mesh, SpectralDistance

KINDS = ["biharmonic", "commute", "diffusion"]
kinds = pytest.mark.parametrize("kind", KINDS)
smooth = pytest.mark.parametrize("kind", ["biharmonic", "diffusion"])


@pytest.fixture(scope="module")
def sphere(icosphere) -> Mesh:
    return Mesh(icosphere, eigenfunctions=35)  # all spherical harmonics up to degree 5


@pytest.fixture(scope="module")
def floor(square) -> Mesh:
    return Mesh(square, eigenfunctions=200, boundary=True)


def pairs(mesh: Mesh, n: int, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [mesh.random(n, generator, dtype=torch.float64) for _ in range(2)]


@pytest.mark.parametrize(
    ("kind", "weight"),
    [
        ("biharmonic", lambda rate: rate**-2),
        ("commute", lambda rate: 1 / rate),
        ("diffusion", lambda rate: torch.tensor(-0.2 * rate).exp()),
    ],
)
def test_on_a_sphere_it_is_a_series_of_legendre_polynomials(sphere, kind, weight):
    x, z = (x / x.norm(dim=1, keepdim=True) for x in pairs(sphere, 64))
    cosine = (x * z).sum(1)
    # Addition theorem: sum_m (Y_nm(x) - Y_nm(z))^2 = (2 n + 1) / (2 pi) (1 - P_n(x . z)).
    legendre = {n: torch.special.legendre_polynomial_p(cosine, n) for n in range(1, 6)}
    squared = sum(
        weight(float(n * (n + 1))) * (2 * n + 1) / (2 * torch.pi) * (1 - p)
        for n, p in legendre.items()
    )
    got = SpectralDistance(sphere, kind, tau=0.1).distance(x, z)
    assert_close(got, squared.sqrt(), rtol=1e-2, atol=1e-3)


@kinds
@settings(max_examples=10)
@given(seed=st.integers(0, 2**31))
def test_the_gradient_agrees_with_finite_differences_along_the_face(sphere, kind, seed):
    premetric = SpectralDistance(sphere, kind)
    x, z = pairs(sphere, 8, seed)
    step = 1e-6 * sphere.random_tangent(x, torch.Generator().manual_seed(seed))
    inside = sphere.nearest(x + step)[1] == sphere.nearest(x - step)[1]
    difference = premetric.distance(x + step, z).square() - premetric.distance(x - step, z).square()
    expected = 2 * (premetric.gradient(x, z) * step).sum(1)
    assert_close(difference[inside], expected[inside], rtol=1e-5, atol=1e-13)


@kinds
def test_the_gradient_agrees_with_automatic_differentiation(sphere, kind):
    premetric = SpectralDistance(sphere, kind)
    x, z = pairs(sphere, 32)
    y = x.clone().requires_grad_()
    premetric.distance(y, z).square().sum().backward()
    assert_close(premetric.gradient(x, z), y.grad)
    assert_close(sphere.tangent(x, y.grad), y.grad)


@kinds
def test_the_direction_reduces_the_distance_at_relative_rate_one(sphere, kind):
    # The derivative of d along the direction is -d.
    premetric = SpectralDistance(sphere, kind)
    x, z = pairs(sphere, 32)
    v = premetric.direction(x, z)
    _, slope = torch.func.jvp(lambda y: premetric.distance(y, z), (x,), (v,))
    assert_close(slope, -premetric.distance(x, z))


@smooth
def test_on_a_square_the_direction_points_to_the_target(floor, kind):
    premetric = SpectralDistance(floor, kind, tau=0.02)
    x, z = (0.25 + 0.5 * x * torch.tensor([1.0, 1.0, 0.0]) for x in pairs(floor, 256))
    goal, v = z - x, premetric.direction(x, z)
    apart = goal.norm(dim=1) > 0.1
    cosine = torch.cosine_similarity(v, goal)[apart]
    assert cosine.median() > 0.99
    assert cosine.min() > 0.8


@smooth
def test_the_flow_of_the_direction_shrinks_the_distance_evenly_to_zero(floor, kind):
    premetric = SpectralDistance(floor, kind, tau=0.02)
    x, z = pairs(floor, 64)
    start, steps = premetric.distance(x, z), 100
    for step in range(steps):
        if step == steps // 2:
            halfway = premetric.distance(x, z)
        left = 1 - step / steps
        x = floor.exp(x, premetric.direction(x, z) / (left * steps))
    assert ((halfway / start) - 0.5).abs().median() < 0.01
    assert (x - z).norm(dim=1).median() < 1e-2


@kinds
def test_distance_and_direction_from_a_point_to_itself_are_zero(sphere, kind):
    premetric = SpectralDistance(sphere, kind)
    x, _ = pairs(sphere, 8)
    y = x.clone().requires_grad_()
    premetric.distance(y, x).sum().backward()
    assert y.grad.isfinite().all()
    assert_close(premetric.distance(x, x), x.new_zeros(8))
    assert_close(premetric.direction(x, x), torch.zeros_like(x))


def test_single_precision_agrees_with_double(sphere):
    premetric = SpectralDistance(sphere)
    x, z = pairs(sphere, 64)
    near = premetric.distance(x, z) < 1  # the gradient may vanish far away
    single, double = premetric.direction(x.float(), z.float()), premetric.direction(x, z)
    assert single.dtype == torch.float32
    assert_close(single[near].double(), double[near], rtol=1e-2, atol=1e-3)


def test_the_biharmonic_distance_is_a_metric_and_scales_like_a_length(icosphere, sphere):
    x, z = pairs(sphere, 32)
    large = Mesh(icosphere, scale=3.0, eigenfunctions=35)
    assert_close(large.distance(3 * x, 3 * z), 3 * sphere.distance(x, z))
    y = x.roll(1, 0)
    assert (sphere.distance(x, z) <= sphere.distance(x, y) + sphere.distance(y, z) + 1e-12).all()
    assert_close(sphere.distance(x, z), sphere.distance(z, x))


def test_an_unknown_kind_is_refused(sphere):
    with pytest.raises(ValueError, match=r"\['biharmonic', 'commute', 'diffusion'\], got 'heat'"):
        SpectralDistance(sphere, "heat")


def test_autocast_does_not_reduce_precision(sphere):
    premetric = SpectralDistance(sphere)
    x, z = (part.float() for part in pairs(sphere, 32))
    laws = (premetric.distance, premetric.gradient, premetric.direction)
    plain = [law(x, z) for law in laws]
    with torch.autocast("cpu", torch.bfloat16):
        cast = [law(x, z) for law in laws]
    for one, other in zip(plain, cast, strict=True):
        assert one.dtype == other.dtype == torch.float32
        assert torch.equal(one, other)
