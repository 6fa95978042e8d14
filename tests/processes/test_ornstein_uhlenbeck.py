"""The diffusion of flat spaces: its transition, its score, and Langevin dynamics."""

import math

import pytest
import torch
from torch.testing import assert_close

from ldm.objectives import DenoisingScoreMatching
from ldm.processes import Langevin, OrnsteinUhlenbeck
from ldm.processes.rates import Linear
from ldm.samplers import Likelihood
from ldm.spaces import Flat, Sphere

RATE, SPACE = Linear(0.01, 4.0), Flat([2])
PROCESS = OrnsteinUhlenbeck(SPACE, RATE)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_its_drift_is_that_of_langevin_dynamics():
    x, t = SPACE.random(5, generator(), dtype=torch.float64), torch.linspace(0, 1, 5)
    expected = Langevin(SPACE, RATE).forward_drift(x, t)
    assert_close(PROCESS.forward_drift(x, t), expected)


def test_what_it_draws_has_the_mean_and_variance_of_its_transition():
    n, s = 20_000, 0.01 * 0.7 + 3.99 * 0.7**2 / 2
    latent = torch.tensor([[2.0, -1.0]]).double().expand(n, 2)
    x = PROCESS.noise(latent, torch.full((n,), 0.7), generator())
    variance = 1 - math.exp(-s)
    error = 4 * (variance / n) ** 0.5
    assert_close(x.mean(0), latent[0] * math.exp(-s / 2), atol=error, rtol=0)
    assert_close(x.var(0), torch.full((2,), variance).double(), atol=0, rtol=4 * (2 / n) ** 0.5)


def test_the_transitions_score_is_the_slope_of_its_density():
    latent, t = SPACE.random(4, generator(), dtype=torch.float64), torch.linspace(0.2, 1, 4)
    x = SPACE.random(4, generator(1), dtype=torch.float64).requires_grad_()
    s = PROCESS.variance(t).double()[:, None]
    law = torch.distributions.Normal((-s / 2).exp() * latent, (1 - (-s).exp()).sqrt())
    (slope,) = torch.autograd.grad(law.log_prob(x).sum(), x)
    assert_close(PROCESS.transition_score(x, latent, t), slope, rtol=1e-5, atol=1e-6)


def test_of_normal_data_the_score_is_learned_and_the_likelihood_found_exactly():
    # Data N(0, c): at time t the variance is v = 1 + (c - 1) exp(-s), the score -x / v.
    c = 0.04
    process = OrnsteinUhlenbeck(SPACE, Linear(0.01, 20.0))

    def score(x, t):
        return -x / (1 + (c - 1) * (-process.variance(t)).exp())[:, None].to(x)

    def output(x, t):  # what the network must say for it
        scale = objective.scale_at(process, t)[:, None].to(x)
        return (score(x, t) + x) * scale

    objective = DenoisingScoreMatching()
    x = c**0.5 * SPACE.random(6, generator(), dtype=torch.float64)

    def denoise(x, t, condition):
        return objective.read(output(x, t), process, x, t)

    found = Likelihood(tolerance=1e-7)(denoise, process, x, {}).log_density
    blurred = 1 + (c - 1) * math.exp(-process.variance(torch.tensor([1e-3])).item())
    expected = -x.square().sum(1) / (2 * blurred) - math.log(2 * math.pi * blurred)
    assert_close(found, expected, atol=2e-3, rtol=0)  # what is left of the data at time 1
    # Nothing else has a lower loss: half of it, or twice, loses.
    latent = c**0.5 * SPACE.random(4000, generator(1), dtype=torch.float64)
    losses = [
        objective.loss(lambda x, t, k=k: k * output(x, t), process, latent, {}, generator()).mean()
        for k in (0.8, 1.0, 1.25)
    ]
    assert min(losses) == losses[1]


def test_it_is_refused_where_points_do_not_add_up():
    with pytest.raises(ValueError, match="not flat: set the process to Langevin"):
        OrnsteinUhlenbeck(Sphere(2), RATE)
