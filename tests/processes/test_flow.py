"""Straight lines from noise at 0 to data at 1."""

import pytest
import torch
from torch.func import jvp

from ldm.processes import LinearFlow
from ldm.randomness import sample_generators
from ldm.spaces import Flat

FLOW = LinearFlow(Flat([1000]))


def test_it_runs_from_noise_to_data():
    latent, eps = torch.randn(2, 3, 1000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(FLOW.mix(latent, eps, torch.zeros(3)), eps)
    torch.testing.assert_close(FLOW.mix(latent, eps, torch.ones(3)), latent)


def test_noise_has_the_moments_of_its_time():
    t = torch.full((100,), 0.75)
    noisy = FLOW.noise(torch.full((100, 1000), 2.0), t, torch.Generator().manual_seed(1))
    assert noisy.mean().item() == pytest.approx(1.5, abs=4 * 0.25 / 316)
    assert noisy.std().item() == pytest.approx(0.25, rel=4 / 447)


def test_rates_are_the_derivatives_of_the_scales():
    t = torch.linspace(0, 1, 7, dtype=torch.float64)
    _, derivatives = jvp(FLOW.alpha_sigma, (t,), (torch.ones_like(t),))
    torch.testing.assert_close(FLOW.alpha_sigma_rate(t), derivatives)


def test_times_are_uniform_and_short_of_data():
    times = FLOW.random_times(20_000, torch.Generator().manual_seed(2), None)
    assert 0 <= times.min() < 1e-3
    assert 1 - 1e-3 < times.max() < 1
    # The largest gap to the uniform law (Kolmogorov's) exceeds 1.95 / sqrt(n) once in a thousand.
    steps = torch.arange(1, 20_001) / 20_000
    assert (times.sort().values - steps).abs().max() < 1.95 / 20_000**0.5


def test_a_sample_with_its_own_generator_ignores_its_neighbours():
    whole = FLOW.random_times(4, sample_generators(3, range(4)), None)
    parts = [FLOW.random_times(2, sample_generators(3, pair), None) for pair in ([0, 1], [2, 3])]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=0)
