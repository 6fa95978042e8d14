"""The hybrid loss against a sum written by hand, and the bound against an exact entropy."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.testing import assert_close

from ldm.objectives import LearnedVariance
from ldm.objectives.variational_bound import prior_divergence
from ldm.processes import GaussianDiffusion, LinearFlow
from ldm.spaces import Flat, PointSet

SPACE = Flat([2, 3, 3])


def chain(steps: int = 5) -> GaussianDiffusion:
    return GaussianDiffusion(SPACE, "linear", steps, start=0.05, end=0.6)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_loss_is_that_written_by_hand_at_every_time_of_a_short_chain():
    process, objective = chain(), LearnedVariance()
    process.random_times = lambda n, generator, device: torch.arange(n)
    latent = SPACE.random(5, generator(1)).double()
    output = torch.randn(5, 4, 3, 3, generator=generator(2), dtype=torch.float64)
    found = objective.loss(lambda noisy, t: output, process, latent, {}, generator())

    eps = SPACE.random(5, generator(), dtype=torch.float64)
    beta, signal = process.betas, process.alpha_bar
    for t in range(5):
        before = signal[t - 1] if t else torch.tensor(1.0)
        noisy = signal[t].sqrt() * latent[t] + (1 - signal[t]).sqrt() * eps[t]

        def posterior(x0, noisy=noisy, t=t, before=before):
            a = before.sqrt() * beta[t] / (1 - signal[t])
            b = (1 - beta[t]).sqrt() * (1 - before) / (1 - signal[t])
            return a * x0 + b * noisy

        guess = (noisy - (1 - signal[t]).sqrt() * output[t, :2]) / signal[t].sqrt()
        step = max(t, 1)
        variance = beta[step] * (1 - signal[step - 1]) / (1 - signal[step])
        share = (output[t, 2:] + 1) / 2
        log_variance = share * beta[t].log() + (1 - share) * variance.log()
        model = Normal(posterior(guess), (log_variance / 2).exp())
        if t == 0:
            nats = -model.log_prob(latent[t])
        else:
            nats = kl_divergence(Normal(posterior(latent[t]), variance.sqrt()), model)
        expected = (output[t, :2] - eps[t]).square().mean() + nats.mean() / math.log(2)
        assert_close(found[t], expected, rtol=1e-5, atol=1e-5)


def test_the_bound_has_no_gradient_through_the_mean():
    process, objective = chain(), LearnedVariance()
    latent = SPACE.random(4, generator(1))
    mean, spread = (torch.zeros(4, 2, 3, 3, requires_grad=True) for _ in range(2))
    loss = objective.loss(
        lambda noisy, t: torch.cat([mean, spread], 1), process, latent, {}, generator()
    )
    eps_gradient, spread_gradient = torch.autograd.grad(loss.sum(), [mean, spread])
    process.random_times(4, random := generator(), "cpu")
    eps = SPACE.random(4, random)
    assert_close(eps_gradient, -2 * eps / SPACE.dim)
    assert spread_gradient.abs().min() > 0


def test_with_the_exact_network_the_bound_is_the_entropy_of_gaussian_data():
    # q(x_{t-1} | x_t) is normal; its variance is that which interpolates as it should.
    std, n, process = 0.5, 20_000, GaussianDiffusion(SPACE, "linear", 50, start=1e-3, end=0.3)
    signal, beta = process.alpha_bar, process.betas
    before = torch.cat([signal.new_ones(1), signal[:-1]])
    left = 1 / (1 / std**2 + signal / (1 - signal))  # variance of x_0 given x_t
    posterior = beta * (1 - before) / (1 - signal)
    exact = posterior + (before.sqrt() * beta / (1 - signal)).square() * left
    low = torch.cat([posterior[1:2], posterior[1:]]).log()
    share = (exact.log() - low) / (beta.log() - low)

    def predict(noisy, t):
        alpha, sigma = (scale.view(-1, 1, 1, 1) for scale in process.alpha_sigma(t))
        eps = sigma * noisy / (alpha**2 * std**2 + sigma**2)
        spread = (2 * share[t] - 1).float().view(-1, 1, 1, 1).expand_as(eps)
        return torch.cat([eps, spread], 1)

    latent = std * SPACE.random(n, generator(1))
    entropy = SPACE.dim * (math.log(std) + (1 + math.log(2 * math.pi)) / 2)
    objective, random = LearnedVariance(), generator(2)

    def term(t):
        times = torch.full((n,), t)
        noisy = process.noise(latent, times, random)
        return objective.terms(
            objective.read(predict(noisy, times), process, noisy, times), process, latent, times
        )

    whole = prior_divergence(process, latent) + sum(term(t) for t in range(50))
    one_time = objective.bound(predict, process, latent, {}, random)
    for found in (whole, one_time):
        error = found.std().item() / math.sqrt(n)
        assert abs(found.mean().item() - entropy) < 4 * error
    assert whole.std().item() / math.sqrt(n) < 0.05


def test_networks_without_variances_and_processes_without_steps_are_refused():
    with pytest.raises(ValueError, match=r"gives 2 channels for latents of 2.*learn_sigma=true"):
        LearnedVariance().loss(lambda noisy, t: noisy, chain(), SPACE.random(2), {})
    for process in (LinearFlow(SPACE), GaussianDiffusion(PointSet(4, 3, 1))):
        with pytest.raises(ValueError, match=r"steps of a GaussianDiffusion in a Flat space, got"):
            LearnedVariance().check(process)
