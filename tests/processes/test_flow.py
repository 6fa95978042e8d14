"""Paths from noise at 0 to data at 1."""

import math

import pytest
import torch
from torch.func import jvp

from ldm.processes import LinearFlow, LogitNormal, TrigonometricFlow, VariancePreservingFlow
from ldm.randomness import sample_generators
from ldm.spaces import Flat

FLOW = LinearFlow(Flat([1000]))
KEEPING = [TrigonometricFlow(Flat([2])), VariancePreservingFlow(Flat([2]))]
"""Paths whose scales keep unit variance."""


def test_it_runs_from_noise_to_data():
    latent, eps = torch.randn(2, 3, 1000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(FLOW.mix(latent, eps, torch.zeros(3)), eps)
    torch.testing.assert_close(FLOW.mix(latent, eps, torch.ones(3)), latent)


def test_noise_has_the_moments_of_its_time():
    t = torch.full((100,), 0.75)
    noisy = FLOW.noise(torch.full((100, 1000), 2.0), t, torch.Generator().manual_seed(1))
    assert noisy.mean().item() == pytest.approx(1.5, abs=4 * 0.25 / 316)
    assert noisy.std().item() == pytest.approx(0.25, rel=4 / 447)


@pytest.mark.parametrize("flow", [FLOW, *KEEPING], ids=lambda flow: type(flow).__name__)
def test_rates_are_the_derivatives_of_the_scales(flow):
    t = torch.linspace(*flow.span, 7, dtype=torch.float64)
    _, derivatives = jvp(flow.alpha_sigma, (t,), (torch.ones_like(t),))
    torch.testing.assert_close(flow.alpha_sigma_rate(t), derivatives)
    if flow is not FLOW:
        torch.testing.assert_close(sum(x.square() for x in flow.alpha_sigma(t)), torch.ones_like(t))


def test_paths_have_the_scales_and_rates_that_sit_states():
    t = torch.tensor([0.0, 0.5], dtype=torch.float64)
    trigonometric, preserving = (flow.alpha_sigma(t)[0] for flow in KEEPING)
    torch.testing.assert_close(trigonometric, torch.tensor([0.0, 0.5**0.5]).double())
    expected = torch.tensor([0.0065716, 0.28118]).double()
    torch.testing.assert_close(preserving, expected, rtol=1e-4, atol=0)
    beta = 0.1 + (1 - t) * 19.9
    torch.testing.assert_close(KEEPING[1].noising_rate(t), beta / 2)
    torch.testing.assert_close(FLOW.noising_rate(t[1:]), torch.ones(1).double())


def test_margins_of_training_and_sampling_are_kept():
    flow = LinearFlow(Flat([1]), LogitNormal(0.0, 30.0), train_eps=0.1, sample_eps=0.01)
    times = flow.random_times(1000, torch.Generator().manual_seed(0), None)
    assert times.min().item() == pytest.approx(0.1)
    assert times.max().item() == pytest.approx(0.9)
    assert flow.span == (0.01, 0.99)
    for margin in (-0.1, 0.5, math.nan):
        with pytest.raises(ValueError, match=r"must be from 0 to below 0\.5"):
            LinearFlow(Flat([1]), sample_eps=margin)


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
