"""Moments of the noise, the law of the times, and where randomness comes from."""

import math

import pytest
import torch
from diffusers import DDPMScheduler

from ldm.processes import GaussianDiffusion
from ldm.randomness import sample_generators
from ldm.spaces import Flat


def test_noise_has_the_moments_of_its_time():
    process = GaussianDiffusion(Flat([1000]), "linear")
    t = torch.tensor([0, 499, 999]).repeat_interleave(100)
    noisy = process.noise(torch.full((300, 1000), 3.0), t, torch.Generator().manual_seed(0))
    for group, step in zip(noisy.chunk(3), (0, 499, 999), strict=True):
        signal = process.alpha_bar[step].item()
        std = math.sqrt(1 - signal)
        assert group.mean().item() == pytest.approx(3 * math.sqrt(signal), abs=4 * std / 316)
        assert group.std().item() == pytest.approx(std, rel=4 / 447)


def test_noise_is_that_of_diffusers():
    process = GaussianDiffusion(Flat([5]), "scaled_linear", start=0.0015, end=0.0195)
    theirs = DDPMScheduler(beta_start=0.0015, beta_end=0.0195, beta_schedule="scaled_linear")
    generator = torch.Generator().manual_seed(1)
    latent, eps = torch.randn(2, 100, 5, generator=generator)
    t = torch.randint(1000, (100,), generator=generator)
    torch.testing.assert_close(process.mix(latent, eps, t), theirs.add_noise(latent, eps, t))


def test_times_are_whole_and_uniform_over_all_steps():
    process = GaussianDiffusion(Flat([2]), steps=10)
    times = process.random_times(20_000, torch.Generator().manual_seed(2), None)
    assert times.dtype == torch.int64
    # Each count is binomial(20000, 1/10), of deviation 42.
    torch.testing.assert_close(
        times.bincount(minlength=10), torch.full((10,), 2000), atol=4 * 42, rtol=0
    )
    assert len(times.bincount()) == 10


def test_a_sample_with_its_own_generator_ignores_its_neighbours():
    process = GaussianDiffusion(Flat([3]))
    latent, t = torch.zeros(4, 3), torch.tensor([1, 10, 100, 999])
    whole = process.noise(latent, t, sample_generators(7, range(4)))
    times = process.random_times(4, sample_generators(7, range(4)), None)
    for i in range(4):
        one = sample_generators(7, [i])
        torch.testing.assert_close(process.noise(latent[:1], t[i : i + 1], one), whole[i : i + 1])
        assert process.random_times(1, sample_generators(7, [i]), None) == times[i]


def test_the_schedule_has_numbers_where_models_are_built_on_meta():
    with torch.device("meta"):
        process = GaussianDiffusion(Flat([2]))
    assert process.alpha_bar[999].item() == pytest.approx(4.0358e-5, rel=1e-4)


def test_pvdms_schedule_is_the_published_one():
    process = GaussianDiffusion(Flat([2]), "scaled_linear", start=0.0015, end=0.0195)
    found = process.alpha_bar[[0, 499, 999]].tolist()
    assert found == pytest.approx([1 - 0.0015, 0.115845, 1.42304e-4], rel=1e-5)


def test_an_unknown_schedule_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'sqrt': choose one of linear, scaled_linear, cosine"):
        GaussianDiffusion(Flat([2]), "sqrt")


def test_it_has_no_velocity():
    with pytest.raises(ValueError, match="GaussianDiffusion has no velocity"):
        GaussianDiffusion(Flat([2])).alpha_sigma_rate(torch.tensor([3]))


def test_reading_scales_on_a_device_leaves_the_schedule_where_it_is():
    process = GaussianDiffusion(Flat([2]))
    before = process.alpha_bar
    alpha, sigma = process.alpha_sigma(torch.tensor([3, 7], device="meta"))
    assert alpha.is_meta
    assert sigma.is_meta
    assert process.alpha_bar is before
    assert not before.is_meta
    assert process.alpha_sigma(torch.tensor([999]))[0].item() == pytest.approx(6.353e-3, rel=1e-3)
