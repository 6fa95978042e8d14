"""Brownian motion: its law at each time, and what it refuses."""

import math

import pytest
import torch
from torch.testing import assert_close

from ldm.processes import Brownian, Score
from ldm.processes.rates import Geometric, Linear
from ldm.randomness import sample_generators
from ldm.spaces import Flat, Hyperboloid, Space, Sphere

RATE = Linear(0.001, 4.0)
SPHERE = Sphere(2)


class Unknown(Sphere):
    """A sphere that nobody knows the heat kernel of."""

    heat_kernel = Space.heat_kernel


@pytest.mark.parametrize("steps", [None, 50])
def test_noise_is_that_of_its_time(steps):
    process, n = Brownian(SPHERE, RATE, steps=steps), 4000
    generator = torch.Generator().manual_seed(0)
    latent = SPHERE.random(n, generator, dtype=torch.float64)
    t = torch.tensor([0.2, 0.6]).repeat_interleave(n // 2)
    x = process.noise(latent, t, generator)
    for half, time in zip((x * latent).sum(1).chunk(2), (0.2, 0.6), strict=True):
        s = 0.001 * time + (4 - 0.001) * time**2 / 2
        error = half.std().item() / (n / 2) ** 0.5
        assert half.mean().item() == pytest.approx(math.exp(-s), abs=4 * error)


def test_the_flow_undoes_half_of_what_the_walk_back_undoes():
    process, t = Brownian(SPHERE, RATE), torch.tensor([0.1, 0.9])
    score = torch.randn(2, 3, generator=torch.Generator().manual_seed(1))
    beta = RATE.rate(t)[:, None]
    assert_close(process.velocity(Score(score), score, t), -beta / 2 * score)
    assert_close(process.drift(Score(score), score, t), -beta * score)
    assert_close(process.diffusion(t).square(), RATE.rate(t))
    assert_close(process.score(Score(score), score, t), score)


def test_it_is_sampled_from_the_uniform_law_down_to_its_earliest_time():
    process = Brownian(SPHERE, RATE, first=0.01)
    assert process.span == (1.0, 0.01)
    times = process.random_times(2000, torch.Generator().manual_seed(2), None)
    assert 0.01 <= times.min() < 0.02
    assert 0.99 < times.max() <= 1
    assert_close(process.log_density(process.random(2)), torch.full((2,), -math.log(4 * math.pi)))


def test_the_noise_level_is_a_deviation():
    process = Brownian(SPHERE, Geometric(0.01, 4.0))
    assert_close(process.noise_level(torch.tensor([0.0, 1.0])), torch.tensor([0.01, 4.0]))


@pytest.mark.parametrize("steps", [None, 5])
def test_a_sample_with_its_own_generator_ignores_its_neighbours(steps):
    process, t = Brownian(SPHERE, RATE, steps=steps), torch.tensor([0.1, 0.5, 1.0])
    latent = SPHERE.random(3, sample_generators(0, range(3)))
    whole = process.noise(latent, t, sample_generators(1, range(3)))
    for k in range(3):
        own = slice(k, k + 1)
        alone = process.noise(latent[own], t[own], sample_generators(1, [k]))
        assert_close(alone, whole[own], rtol=0, atol=0)


@pytest.mark.parametrize("space", [Flat([2]), Hyperboloid(2)], ids=repr)
def test_spaces_without_an_end_are_refused(space):
    with pytest.raises(
        ValueError, match="no uniform distribution to reach: set the process to Langevin"
    ):
        Brownian(space, RATE)


def test_an_unknown_heat_kernel_is_refused_at_once_unless_there_are_steps():
    with pytest.raises(ValueError, match=r"heat kernel of .* not known in closed form"):
        Brownian(Unknown(2), RATE)
    latent = SPHERE.random(2)
    assert Brownian(Unknown(2), RATE, steps=2).noise(latent, torch.ones(2)).shape == (2, 3)


@pytest.mark.parametrize("first", [0.0, 1.0])
def test_an_earliest_time_at_the_ends_is_refused(first):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Brownian(SPHERE, RATE, first)


def test_no_steps_are_refused():
    with pytest.raises(ValueError, match="1 step or more, got 0"):
        Brownian(SPHERE, RATE, steps=0)
