"""Geodesic paths: ends, speed, and straight lines in flat space."""

import math

import pytest
import torch
from torch.testing import assert_close

from ldm.processes import GeodesicFlow, LinearFlow, Velocity
from ldm.randomness import sample_generators
from ldm.samplers import Likelihood
from ldm.spaces import (
    SPD,
    Flat,
    Hyperboloid,
    PoincareBall,
    Rotations,
    Sphere,
    Torus,
    WrappedMixture,
)

SPACES = [
    Sphere(2),
    Torus(2),
    Rotations(),
    Hyperboloid(2, 0.5),
    PoincareBall(2, 0.5),
    SPD(2, 0.5),
    Flat([2, 3]),
]
every = pytest.mark.parametrize("space", SPACES, ids=repr)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def data(space, n: int = 6) -> torch.Tensor:
    return space.random(n, generator(1), dtype=torch.float64)


@every
def test_paths_lead_from_the_reference_law_to_the_latents(space):
    flow, latent = GeodesicFlow(space), data(space)
    start = space.random(6, generator(), dtype=torch.float64)
    zero, one = torch.zeros(6), torch.ones(6)
    assert_close(flow.path(latent, zero, generator())[0], start, rtol=1e-9, atol=1e-9)
    assert_close(flow.path(latent, one, generator())[0], latent, rtol=1e-9, atol=1e-9)


@every
def test_velocities_are_tangent_and_lead_to_the_latent_at_constant_speed(space):
    flow, latent, t = GeodesicFlow(space), data(space), torch.linspace(0, 0.9, 6).double()
    x, velocity = flow.path(latent, t, generator())
    space.check(x)
    assert_close(space.tangent(x, velocity), velocity)
    start = space.random(6, generator(), dtype=torch.float64)
    speed = space.inner(x, velocity, velocity).sqrt()
    assert_close(speed, space.distance(start, latent), rtol=1e-6, atol=1e-9)
    left = (1 - t).view(-1, *[1] * len(space.shape)) * velocity
    assert_close(space.exp(x, left), latent, rtol=1e-6, atol=1e-9)


def test_velocities_are_derivatives_of_paths():
    flow, latent, t = GeodesicFlow(Sphere(2)), data(Sphere(2)), torch.full((6,), 0.3).double()
    (ahead, _), (behind, _) = (flow.path(latent, t + h, generator()) for h in (1e-5, -1e-5))
    assert_close((ahead - behind) / 2e-5, flow.path(latent, t, generator())[1], atol=1e-8, rtol=0)


def test_in_flat_space_it_is_the_linear_flow():
    space = Flat([2, 3])
    latent, t = data(space), torch.linspace(0, 1, 6)
    x, velocity = GeodesicFlow(space).path(latent, t, generator())
    eps = space.random(6, generator(), dtype=torch.float64)
    assert_close(x, LinearFlow(space).mix(latent, eps, t))
    assert_close(velocity, latent - eps)


def test_it_is_trained_at_one_uniform_time_a_latent():
    flow, latent = GeodesicFlow(Torus(1)), data(Torus(1), 4000)
    x, t, velocity = flow.examples(latent, generator())
    assert x.shape == velocity.shape == latent.shape
    steps = torch.arange(1, 4001) / 4000
    assert (t.sort().values - steps).abs().max() < 1.95 / 4000**0.5  # once in a thousand
    assert flow.span == (0.0, 1.0)


def deviation(values: torch.Tensor) -> float:
    """Kolmogorov's distance from the uniform distribution on [0, 1], in its own units."""
    n = len(values)
    return ((values.sort().values - torch.arange(1, n + 1) / n).abs().max() * n**0.5).item()


@pytest.mark.parametrize("nearest", [1e-3, 0.1])
def test_late_times_are_log_uniform_in_their_distance_from_the_end(nearest):
    flow = GeodesicFlow(Torus(1), late=1.0, nearest=nearest)
    t = flow.random_times(4000, generator(), "cpu").double()
    assert t.min() >= 0
    assert (1 - t).min() >= nearest * 0.99
    assert deviation((1 - t).log() / math.log(nearest)) < 1.95  # once in a thousand


@pytest.mark.parametrize("late", [0.25, 0.75])
def test_a_share_of_the_times_is_late_and_the_others_are_uniform(late):
    nearest = 1e-6
    t = GeodesicFlow(Torus(1), late=late, nearest=nearest).random_times(20_000, generator(), "cpu")
    # Below 1/2 are half of the uniform times, and of the late ones log 2 / log 1e6.
    expected = (1 - late) / 2 + late * math.log(2) / -math.log(nearest)
    assert (t < 0.5).float().mean().item() == pytest.approx(expected, abs=0.015)


def test_its_velocity_is_what_the_network_says_and_there_is_no_score_or_noise():
    flow, x, t = GeodesicFlow(Torus(1)), data(Torus(1)), torch.rand(6)
    assert flow.velocity(Velocity(x), x, t) is x
    assert flow.drift(Velocity(x), x, t) is x
    assert (flow.diffusion(t) == 0).all()
    with pytest.raises(ValueError, match="a GeodesicFlow has no score"):
        flow.score(Velocity(x), x, t)


@every
def test_a_sample_with_its_own_generator_ignores_its_neighbours(space):
    flow, latent, t = GeodesicFlow(space), data(space, 3), torch.tensor([0.1, 0.5, 0.9])
    whole = flow.noise(latent, t, sample_generators(1, range(3)))
    for k in range(3):
        own = slice(k, k + 1)
        alone = flow.noise(latent[own], t[own], sample_generators(1, [k]))
        assert_close(alone, whole[own])


def test_a_base_of_ones_own_is_where_paths_and_likelihoods_begin():
    space = PoincareBall(2)
    flow = GeodesicFlow(space, base=lambda space: WrappedMixture(space, [[0.6, -0.6]], 0.7))
    law = WrappedMixture(space, [[0.6, -0.6]], 0.7)
    start = law.random(6, generator(), dtype=torch.float64)
    assert_close(flow.path(data(space), torch.zeros(6), generator())[0], start)
    assert_close(flow.random(6, generator()), law.random(6, generator()))
    assert_close(flow.log_density(start), law.log_density(start))
    still = Likelihood(steps=2)(lambda x, t, c: Velocity(0 * x), flow, start, {}).log_density
    assert_close(still, law.log_density(start))
