"""Random walks against the moments of Brownian motion, all eigenfunctions of the Laplacian."""

import math

import pytest
import torch
from torch.testing import assert_close

from ldm.randomness import sample_generators
from ldm.spaces import Hyperboloid, PoincareBall, Rotations, Sphere, Torus
from ldm.spaces.walk import random_walk

N = 4000


def walked(space, s: float, steps: int = 60):
    """The ends of N walks from one point, and that point."""
    generator = torch.Generator().manual_seed(0)
    origin = space.random(1, generator, dtype=torch.float64).expand(N, *space.shape)
    return random_walk(space, origin, torch.full((N,), s), steps, generator), origin


def within(found: torch.Tensor, expected: float) -> None:
    """A mean is as expected, give or take four standard errors."""
    error = found.std().item() / len(found) ** 0.5
    assert found.mean().item() == pytest.approx(expected, abs=4 * error)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_on_spheres_the_mean_cosine_decays_at_half_the_first_eigenvalue(dim):
    x, origin = walked(Sphere(dim), 0.4)
    within((x * origin).sum(1), math.exp(-dim * 0.4 / 2))


@pytest.mark.parametrize("steps", [1, 7])
def test_on_tori_any_number_of_steps_is_exact(steps):
    x, origin = walked(Torus(2), 0.8, steps)
    within((x - origin).cos().mean(1), math.exp(-0.4))
    within((2 * (x - origin)).cos().mean(1), math.exp(-1.6))


def test_rotations_turn_by_angles_of_the_right_variance():
    # The trace, 1 + 2 cos(angle), has eigenvalue 2 in the metric of rotation vectors.
    x, origin = walked(Rotations(), 0.5)
    within((x * origin).sum((1, 2)) / 3, math.exp(-0.5))


@pytest.mark.parametrize("space", [Hyperboloid(3), PoincareBall(3)], ids=repr)
def test_in_hyperbolic_space_the_mean_hyperbolic_cosine_grows(space):
    x, origin = walked(space, 0.3)
    within(space.distance(x, origin).cosh(), math.exp(3 * 0.3 / 2))


def test_every_walk_has_its_own_variance():
    sphere, s = Sphere(2), torch.tensor([0.0, 1e-6, 1.0]).repeat_interleave(1000)
    origin = sphere.random(3000, torch.Generator().manual_seed(1), dtype=torch.float64)
    x = random_walk(sphere, origin, s, 20, torch.Generator().manual_seed(2))
    squared = sphere.distance(x, origin).square().view(3, 1000).mean(1)
    assert squared[0] < 1e-30
    assert squared[1].item() == pytest.approx(2e-6, rel=0.15)
    assert squared[2] > 1


def test_a_walk_with_its_own_generator_ignores_its_neighbours():
    sphere = Sphere(2)
    origin, s = sphere.random(3, sample_generators(0, range(3))), torch.tensor([0.1, 1.0, 3.0])
    whole = random_walk(sphere, origin, s, 5, sample_generators(1, range(3)))
    for k in range(3):
        own = sample_generators(1, [k])
        alone = random_walk(sphere, origin[k : k + 1], s[k : k + 1], 5, own)
        assert_close(alone[0], whole[k], rtol=0, atol=0)
