"""Ancestral sampling is EDM's, step by step, and exact with the variances of Gaussian data."""

import pytest
import torch
from torch.nn.functional import softplus
from torch.testing import assert_close

from ldm.processes import Denoised, DenoisedVariance, GaussianDiffusion
from ldm.randomness import sample_generators
from ldm.samplers import DDIM, DDPM
from ldm.spaces import Flat, PointSet

MASK = torch.arange(5) < torch.tensor([5, 3, 2])[:, None]


def predict(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Some prediction of the noise in the space, that depends on points and time."""
    return 0.8 * x + 0.1 * torch.sin(t / 7).view(-1, 1, 1) * x.roll(1, 0) * MASK[..., None]


def published(process: GaussianDiffusion, generators) -> tuple[torch.Tensor, torch.Tensor]:
    """Appendix B of Hoogeboom et al. 2022, in gamma = log(sigma^2 / alpha^2); float64.

    The mean of data given the last latents, and a draw.
    """
    space = process.space
    gamma = torch.log((1 - process.alpha_bar) / process.alpha_bar)
    alpha, sigma = torch.sigmoid(-gamma).sqrt(), torch.sigmoid(gamma).sqrt()
    z = space.random(3, generators).double()
    for t in range(process.steps - 1, 0, -1):
        s = t - 1
        ratio = alpha[t] / alpha[s]
        variance = -torch.expm1(softplus(gamma[s]) - softplus(gamma[t]))
        eps = space.project(predict(z, torch.full((3,), t)))
        mean = z / ratio - variance / (ratio * sigma[t]) * eps
        noise = space.random(3, generators).double()
        z = space.project(mean + variance.sqrt() * sigma[s] / sigma[t] * noise)
    mean = (z - sigma[0] * space.project(predict(z, torch.zeros(3)))) / alpha[0]
    return mean, mean + sigma[0] / alpha[0] * space.random(3, generators).double()


def test_every_step_is_the_published_one():
    process = GaussianDiffusion(PointSet(5, 3, 1), "polynomial_2", 31).on({"mask": MASK})

    def denoise(x, t, condition):
        eps = process.space.project(predict(x, t))
        alpha, sigma = (scale.view(-1, 1, 1) for scale in process.alpha_sigma(t))
        return Denoised((x - sigma * eps) / alpha, eps)

    expected = published(process, sample_generators(0, range(3)))
    for final_noise in (False, True):
        sampler = DDPM(steps=31, final_noise=final_noise)
        generators = sample_generators(0, range(3))
        start = process.random(3, generators)
        found = sampler(denoise, process, start, {"mask": MASK}, generators)
        process.space.check(found)
        assert_close(found.double(), expected[final_noise], atol=2e-4, rtol=1e-3)
    assert (expected[1] - expected[0]).abs().max() > 1e-3


@pytest.mark.parametrize("spacing", ["trailing", "linspace"])
@pytest.mark.parametrize("steps", [40, 13, 3, 1])
def test_with_the_variances_of_gaussian_data_any_number_of_steps_is_exact(steps, spacing, data):
    data.mean, data.std, n = 0.5, 0.3, 40_000
    process = GaussianDiffusion(Flat([2]), "linear", 40, start=1e-4, end=0.5)
    sampler = DDPM(steps, spacing=spacing)
    signals = process.alpha_bar
    after = {t: 1.0 if s is None else signals[s] for t, s in sampler.path(process, 39)}

    def denoise(noisy, t, condition):
        found = data.denoise(process)(noisy, t, condition)
        signal, reached = signals[t[0]], after[t[0].item()]
        beta, noise = 1 - signal / reached, 1 - reached
        left = 1 / (1 / data.std**2 + signal / (1 - signal))  # variance of x_0 given x_t
        posterior = beta * noise / (1 - signal)
        exact = posterior + reached * (beta / (1 - signal)) ** 2 * left
        share = 0.0 if posterior == 0 else (exact / posterior).log() / (beta / posterior).log()
        return DenoisedVariance(*found, torch.full_like(noisy, float(share)))

    generator = torch.Generator().manual_seed(0)
    x = sampler(denoise, process, process.random(n, generator), {}, generator)
    # The last step alone ends at a mean, without the variance of what it does not know.
    signal = signals[min(after)]
    lost = 1 / (1 / data.std**2 + signal / (1 - signal))
    assert x.mean().item() == pytest.approx(0.5, abs=0.005 + data.std / 141)
    assert x.var().item() == pytest.approx(data.std**2 - lost.item(), abs=0.09 * 4 / 200)


def test_clipped_latents_are_bounded_and_steps_of_ddpm_are_the_posteriors():
    process = GaussianDiffusion(Flat([3]), steps=50)
    x0, eps = torch.tensor([[-2.0, 0.5, 3.0]]), torch.randn(1, 3)

    def denoise(x, t, condition):
        return Denoised(x0, eps)

    found = DDIM(50, eta=1.0, clip=1.0)(denoise, process, eps, {}, torch.Generator())
    assert found.tolist() == [[-1.0, 0.5, 1.0]]  # the last step is to the prediction
    x, sampler = torch.randn(1, 3), DDPM(50, clip=1.0)
    signal, after = process.alpha_bar[30].item(), process.alpha_bar[29].item()
    mean, std = sampler.step(sampler.clipped(Denoised(x0, eps), x, signal), signal, after)
    beta = 1 - signal / after  # Ho et al. 2020, equation 7
    expected = after**0.5 * beta * x0.clamp(-1, 1) + (1 - beta) ** 0.5 * (1 - after) * x
    assert_close(mean, expected / (1 - signal))
    assert std == pytest.approx((beta * (1 - after) / (1 - signal)) ** 0.5)
    assert DDIM(50, eta=1.0).step(Denoised(x0, eps), signal, after)[1] == pytest.approx(std)
    with pytest.raises(ValueError, match="no clip"):
        DDIM(5, clip=1.0)(denoise, process, x, {}, None, (0, 49))
    with pytest.raises(ValueError, match="above 0"):
        DDPM(5, clip=0.0)


def test_a_quantile_of_latents_that_exceed_the_bound_sets_it_and_scales_the_rest():
    x = torch.tensor([[0.5, -0.25, 0.1, 0.0, 0.2], [8.0, -4.0, 2.0, 1.0, 0.0]])
    found = DDPM(5, clip=1.0, quantile=0.75).bounded(x)
    assert torch.equal(found[0], x[0])
    torch.testing.assert_close(found[1], torch.tensor([1.0, -1.0, 0.5, 0.25, 0.0]))
    with pytest.raises(ValueError, match="set clip, or quantile=null"):
        DDPM(5, quantile=0.9)
