"""Wrapped normals: their mass is one on every space, and their draws have their densities."""

import math

import pytest
import torch
from torch.testing import assert_close

from ldm.spaces import SPD, Flat, Hyperboloid, PoincareBall, Product, Rotations, Sphere, Torus
from ldm.spaces.laws.wrapped_normal import WrappedNormal


def point(space, seed: int = 3) -> torch.Tensor:
    return space.random(1, torch.Generator().manual_seed(seed), dtype=torch.float64)[0]


def uneven(space, low: float, high: float) -> torch.Tensor:
    return torch.linspace(low, high, space.dim, dtype=torch.float64)


COMPACT = [Sphere(1), Sphere(2), Sphere(4), Torus(2), Rotations()]


@pytest.mark.parametrize("space", COMPACT, ids=repr)
def test_the_mass_on_compact_spaces_is_one(space):
    law = WrappedNormal(space, point(space), uneven(space, 0.3, 0.5))
    x = space.random(200_000, torch.Generator().manual_seed(0), dtype=torch.float64)
    values = (law.log_density(x) + space.log_volume).exp()
    error = values.std().item() / math.sqrt(len(x))
    assert values.mean().item() == pytest.approx(1, abs=4 * error)
    assert error < 0.02


OPEN = [
    Flat([2, 2]),
    Hyperboloid(2, scale=0.8),
    PoincareBall(3, scale=0.8),
    SPD(2, scale=0.8),
    Product([Hyperboloid(2, scale=0.8), Flat([1])]),
]


@pytest.mark.parametrize("space", OPEN, ids=repr)
def test_the_mass_under_the_reference_measure_is_one(space):
    # Close enough to the reference for its draws to say so.
    near = space.exp(point(space)[None], 0.9 * space.log(point(space)[None], origin_of(space)))[0]
    law = WrappedNormal(space, near, uneven(space, 0.4, 0.6))
    x = space.random(100_000, torch.Generator().manual_seed(0), dtype=torch.float64)
    values = (law.log_density(x) - space.log_density(x)).exp()
    error = values.std().item() / math.sqrt(len(x))
    assert values.mean().item() == pytest.approx(1, abs=4 * error)
    assert error < 0.02


def origin_of(space) -> torch.Tensor:
    """Center of the reference measure."""
    if isinstance(space, SPD):
        return space.triangle(torch.eye(space.n).double())[None]
    return space.project(torch.zeros(1, *space.shape, dtype=torch.float64))


@pytest.mark.parametrize(
    "space", [Hyperboloid(3, 0.7), PoincareBall(2, 0.7), SPD(3, 0.7)], ids=repr
)
def test_references_are_wrapped_normals_at_the_origin(space):
    law = WrappedNormal(space, origin_of(space)[0], 0.7)
    x = space.random(50, torch.Generator().manual_seed(0), dtype=torch.float64)
    assert_close(law.log_density(x), space.log_density(x))


@pytest.mark.parametrize("space", [*COMPACT, *OPEN], ids=repr)
def test_draws_have_the_deviations_of_the_law(space):
    std = uneven(space, 0.2, 0.5)
    law = WrappedNormal(space, point(space), std)
    x = law.sample(5000, torch.Generator().manual_seed(0))
    space.check(x)
    c = law._coordinates(space.log(point(space).expand_as(x), x))
    assert_close(c.mean(0), torch.zeros_like(std), atol=4 * 0.5 / math.sqrt(5000), rtol=0)
    assert_close(c.std(0), std, atol=0, rtol=0.05)


def test_the_density_at_a_point_of_the_hyperbolic_plane():
    law = WrappedNormal(Hyperboloid(2), torch.tensor([1.0, 0.0, 0.0]).double(), [0.15, 0.5])
    x, y = 0.1, 0.7
    r = math.hypot(x, y)
    normal = math.exp(-((x / 0.15) ** 2) / 2 - (y / 0.5) ** 2 / 2) / (2 * math.pi * 0.15 * 0.5)
    at = torch.tensor([[math.cosh(r), math.sinh(r) * x / r, math.sinh(r) * y / r]]).double()
    expected = math.log(normal * r / math.sinh(r))
    assert law.log_density(at).item() == pytest.approx(expected, abs=1e-5)


def test_what_is_no_mean_or_no_deviation_is_refused():
    sphere, north = Sphere(2), torch.tensor([0.0, 0.0, 1.0])
    with pytest.raises(ValueError, match=r"shape \(3,\), got \(2,\)"):
        WrappedNormal(sphere, north[1:], 1.0)
    with pytest.raises(ValueError, match="off Sphere"):
        WrappedNormal(sphere, 2 * north, 1.0)
    with pytest.raises(ValueError, match="one positive standard deviation or 2, got"):
        WrappedNormal(sphere, north, [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="one positive standard deviation or 2, got -1"):
        WrappedNormal(sphere, north, -1.0)
