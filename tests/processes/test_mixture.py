"""Bridges against Brownian bridges in flat space, where all of them are known."""

import math

import pytest
import torch
from torch.testing import assert_close

from ldm.processes import DiffusionMixture, Drifts
from ldm.processes.rates import Linear
from ldm.randomness import sample_generators
from ldm.spaces import Flat, GeodesicDistance, Sphere
from ldm.tensors import like

LINE = Flat([1])
RATES = [Linear(0.5, 0.5), Linear(0.1, 0.0), Linear(1e-4, 5e-4)]
rates = pytest.mark.parametrize("rate", RATES, ids=lambda rate: f"{rate.start}-{rate.end}")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def column(value: float, n: int) -> torch.Tensor:
    return torch.full((n, 1), value, dtype=torch.float64)


@pytest.mark.parametrize("steps", [1, 4])
# The two in the middle are walked from either end.
@pytest.mark.parametrize("t", [0.1, 0.5 - 1e-7, 0.5, 0.8])
def test_of_a_constant_rate_they_are_brownian_bridges_in_any_number_of_steps(t, steps):
    process, n = DiffusionMixture(LINE, Linear(0.5, 0.5), steps=steps), 8000
    x = process.bridge(column(-1, n), column(2, n), torch.full((n,), t).double(), generator())
    variance = 0.5 * t * (1 - t)
    assert x.mean().item() == pytest.approx(-1 + 3 * t, abs=4 * (variance / n) ** 0.5)
    assert x.var().item() == pytest.approx(variance, rel=4 * (2 / n) ** 0.5)


@rates
@pytest.mark.parametrize("t", [0.3, 0.7])
def test_of_any_rate_they_are_brownian_bridges_in_the_variance_gathered(rate, t):
    process, n = DiffusionMixture(LINE, rate, steps=3), 8000
    x = process.bridge(column(-1, n), column(2, n), torch.full((n,), t).double(), generator())
    share = (rate.start * t + (rate.end - rate.start) * t**2 / 2) / rate.total
    variance = rate.total * share * (1 - share)
    assert x.mean().item() == pytest.approx(-1 + 3 * share, abs=4 * (variance / n) ** 0.5)
    assert x.var().item() == pytest.approx(variance, rel=4 * (2 / n) ** 0.5)


def test_in_single_precision_the_last_moments_of_a_falling_rate_are_no_noise():
    # 1e-4 before the end 5e-10 of a variance of 0.05 is left: rounding, were it a difference.
    process, n = DiffusionMixture(LINE, Linear(0.1, 0.0), first=1e-4), 8000
    t, origin = torch.full((n,), 1 - 1e-4), torch.full((n, 1), 1.0)
    x = process.bridge(origin, torch.zeros(n, 1), t, generator())
    left = (1 - t[0].item()) ** 2 / 20
    assert x.std().item() == pytest.approx(left**0.5, rel=0.04)
    targets = process.targets(x, origin, torch.zeros(n, 1), t)
    assert_close(targets.forward, -x * 2 / (1 - t[0].item()), rtol=1e-5, atol=1e-5)


@rates
def test_targets_pull_at_the_rate_over_what_is_left(rate):
    process, t = DiffusionMixture(Sphere(2), rate), torch.tensor([0.2, 0.5, 0.9]).double()
    x, origin, latent = (
        Sphere(2).random(3, generator(seed), dtype=torch.float64) for seed in range(3)
    )
    beta, s = rate.start + (rate.end - rate.start) * t, rate.variance(t)
    forward, backward = process.targets(x, origin, latent, t)
    assert_close(forward, (beta / (rate.total - s))[:, None] * Sphere(2).log(x, latent))
    assert_close(backward, (beta / s)[:, None] * Sphere(2).log(x, origin))


@rates
def test_the_two_drifts_of_gaussian_data_add_up_to_the_score(rate):
    # Data N(m, d^2): all three of origin, latent and x are jointly normal.
    mean, deviation, n = 0.7, 0.3, 5
    process, t = DiffusionMixture(LINE, rate), torch.linspace(0.1, 0.9, n).double()
    x = torch.linspace(-1, 2, n, dtype=torch.float64)[:, None]
    share = like(rate.variance(t) / rate.total, x)
    noise = rate.total * share * (1 - share)
    variance = (1 - share) ** 2 + share**2 * deviation**2 + noise
    surprise = (x - share * mean) / variance
    latent, origin = mean + share * deviation**2 * surprise, (1 - share) * surprise
    drifts = process.targets(x, origin, latent, t)  # linear in both, so of their means
    assert_close(process.score(drifts, x, t), -surprise)
    # The flow moves the mean and stretches by the deviation.
    growth = (share * deviation**2 - (1 - share) + rate.total * (0.5 - share)) / variance
    speed = like(rate.rate(t) / rate.total, x)
    assert_close(process.velocity(drifts, x, t), speed * (mean + growth * (x - share * mean)))


def test_samplers_walk_forward_with_the_first_drift():
    process, t = DiffusionMixture(LINE, Linear(0.1, 0.0), first=0.01), torch.tensor([0.5])
    forward, backward = torch.ones(1, 1), torch.zeros(1, 1)
    assert_close(process.drift(Drifts(forward, backward), forward, t), forward)
    assert_close(process.diffusion(t).square(), torch.tensor([0.05]))
    assert process.span == (0.0, 0.99)
    assert process.noise_level(torch.ones(1)) == 0


@rates
def test_important_times_are_those_of_small_rates(rate):
    process, n = DiffusionMixture(LINE, rate, first=1e-3, importance=True), 4000
    t = process.random_times(n, generator(), None).double().sort().values
    assert 1e-3 <= t[0] <= t[-1] <= 1 - 1e-3 + 1e-7
    # Kolmogorov's distance from the law whose density is proportional to 1 / beta.
    slope = rate.end - rate.start
    grid = torch.linspace(1e-3, 1 - 1e-3, 200_001).double()
    density = 1 / (rate.start + slope * grid)
    law = torch.cumulative_trapezoid(density, grid)
    share = (law / law[-1])[torch.searchsorted(grid, t).clamp(1, len(law)) - 1]
    assert (share - torch.arange(1, n + 1) / n).abs().max() < 1.95 / n**0.5
    assert_close(process.weight(t[:1]).item(), law[-1].item(), rtol=1e-3, atol=0)


def test_other_times_are_uniform_and_weighted_by_the_reciprocal_rate():
    process = DiffusionMixture(LINE, Linear(0.1, 0.0), first=0.1)
    t = process.random_times(4000, generator(), None)
    assert_close(t.sort().values, torch.linspace(0.1, 0.9, 4000), atol=0.03, rtol=0)
    assert_close(process.weight(t), 10 / (1 - t))


def test_another_premetric_takes_the_place_of_the_logarithm():
    class Twice(GeodesicDistance):
        def direction(self, x, z):
            return 2 * super().direction(x, z)

    plain, twice = (
        DiffusionMixture(Sphere(2), RATES[0], premetric=premetric) for premetric in (None, Twice)
    )
    x, z = Sphere(2).random(2).split(1)
    once, more = (process.targets(x, z, z, torch.tensor([0.3])) for process in (plain, twice))
    assert_close(2 * torch.stack(once), torch.stack(more))


def test_a_sample_with_its_own_generator_ignores_its_neighbours():
    process = DiffusionMixture(Sphere(2), RATES[0], steps=3)
    latent, t = Sphere(2).random(3, generator()), torch.tensor([0.1, 0.5, 0.9])
    whole = process.noise(latent, t, sample_generators(1, range(3)))
    for k in range(3):
        own = slice(k, k + 1)
        alone = process.noise(latent[own], t[own], sample_generators(1, [k]))
        assert_close(alone, whole[own], rtol=0, atol=0)


def test_bridges_on_the_sphere_stay_there_and_gather_the_variance_of_short_times():
    process, n = DiffusionMixture(Sphere(2), Linear(0.01, 0.01)), 4000
    origin = Sphere(2).random(1, generator(), dtype=torch.float64).expand(n, 3)
    x = process.bridge(origin, origin, torch.full((n,), 0.4).double(), generator())
    Sphere(2).check(x)
    squared = Sphere(2).distance(x, origin).square().mean().item()
    assert squared == pytest.approx(2 * 0.01 * 0.4 * 0.6, rel=4 / math.sqrt(n))


@pytest.mark.parametrize("options", [{"first": 0.0}, {"first": 0.5}, {"steps": 0}])
def test_no_time_and_no_steps_are_refused(options):
    with pytest.raises(ValueError, match="0 < first < 1/2 and 1 step or more"):
        DiffusionMixture(LINE, RATES[0], **options)
