"""Closed forms of the divergence and of the posterior's draws."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from ldm.bottlenecks import Gaussian
from ldm.randomness import sample_generators
from ldm.spaces import Flat

SHAPE = (3, 4, 5)


def features(batch: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 6, 4, 5, generator=generator, dtype=torch.float64)


def test_kl_equals_the_divergence_of_torch_distributions():
    h = features(2)
    mean, log_variance = h.chunk(2, dim=1)
    posterior = Normal(mean, (0.5 * log_variance).exp())
    expected = kl_divergence(posterior, Normal(torch.zeros_like(mean), 1)).sum() / 2
    torch.testing.assert_close(Gaussian(SHAPE)(h).losses["kl"], expected)


def test_kl_of_unit_variance_is_half_the_square_and_of_the_prior_nothing():
    h = features(2)
    h[:, 3:] = 0
    kl = Gaussian(SHAPE)(h).losses["kl"]
    torch.testing.assert_close(kl, 0.5 * h.square().sum() / 2)
    assert Gaussian(SHAPE)(torch.zeros_like(h)).losses["kl"] == 0


def test_kl_keeps_its_digits_next_to_the_prior():
    h = torch.zeros(1, 6, 4, 5)
    h[:, 3:] = 1e-4  # e^v - 1 - v = v^2 / 2, far below the rounding of e^v
    expected = torch.tensor(0.5 * 60 * 0.5e-8)
    torch.testing.assert_close(Gaussian(SHAPE)(h).losses["kl"], expected, rtol=1e-2, atol=0)


def test_log_ratio_is_that_of_torch_distributions():
    raw, z = features(2), torch.randn(2, 3, 4, 5)
    mean, log_variance = raw.chunk(2, dim=1)
    posterior = Normal(mean, (0.5 * log_variance).exp())
    expected = posterior.log_prob(z) - Normal(torch.zeros_like(mean), 1).log_prob(z)
    torch.testing.assert_close(Gaussian(SHAPE).log_ratio(raw, z), expected.flatten(1).sum(1))


def test_draws_have_the_posterior_mean_and_deviation():
    raw = features(1).expand(20000, -1, -1, -1)
    draws = Gaussian(SHAPE).latent(raw, torch.Generator().manual_seed(1))
    mean, log_variance = raw[0].chunk(2)
    std = (0.5 * log_variance).exp()
    assert ((draws.mean(0) - mean).abs() / std).max() < 5 / 20000**0.5  # five standard errors
    torch.testing.assert_close(draws.std(0), std, rtol=0.03, atol=0)


def test_forward_draws_from_its_raw_moments_one_generator_a_sample():
    bottleneck = Gaussian(SHAPE)
    encoded = bottleneck(features(3), sample_generators(0, [5, 6, 7]))
    alone = bottleneck.latent(encoded.raw[1:2], sample_generators(0, [6]))
    torch.testing.assert_close(encoded.latent[1:2], alone, rtol=0, atol=0)


def test_log_variances_are_clamped_and_the_mode_is_the_mean():
    h = features(1)
    h[:, 3:] = torch.where(h[:, 3:] > 0, 1e3, -1e3)
    bottleneck = Gaussian(SHAPE)
    assert set(bottleneck.moments(h)[1].unique().tolist()) == {-30.0, 20.0}
    assert torch.isfinite(bottleneck(h).losses["kl"])
    assert torch.equal(bottleneck.mode(h), h[:, :3])


def test_gradients_reach_mean_and_log_variance_by_reparametrisation():
    h = features(2).requires_grad_()
    generator = torch.Generator().manual_seed(2)
    latent = Gaussian(SHAPE)(h, generator).latent
    latent.sum().backward()
    mean = h.detach()[:, :3]
    torch.testing.assert_close(h.grad[:, :3], torch.ones_like(mean))
    torch.testing.assert_close(h.grad[:, 3:], 0.5 * (latent.detach() - mean))


def test_declares_its_space_and_refuses_half_the_channels():
    assert Gaussian(SHAPE).space == Flat(SHAPE)
    with pytest.raises(ValueError, match="reads 6 channels, got features of 3"):
        Gaussian(SHAPE)(torch.zeros(1, 3, 4, 5))


def test_log_ratios_of_float32_are_summed_in_float64():
    # Squares of a hundred, which nearly cancel: float32 would keep two decimals of their sum.
    h = torch.cat([100 + features(2)[:, :3], features(2)[:, 3:]], 1).float()
    latent = Gaussian(SHAPE).latent(h, torch.Generator().manual_seed(0))
    found = Gaussian(SHAPE).log_ratio(h, latent)
    mean, log_variance = h.double().chunk(2, dim=1)
    posterior = Normal(mean, (0.5 * log_variance).exp())
    z = latent.double()
    expected = posterior.log_prob(z) - Normal(torch.zeros_like(z), 1).log_prob(z)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, expected.flatten(1).sum(1), rtol=1e-12, atol=0)
