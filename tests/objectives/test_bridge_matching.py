"""Bridge matching finds the drifts of Gaussian data, and of a single datum."""

import pytest
import torch
from torch.testing import assert_close

from ldm.objectives import BridgeMatching
from ldm.processes import DiffusionMixture
from ldm.processes.rates import Linear
from ldm.spaces import Flat, Rotations, Sphere
from ldm.tensors import like

LINE, SPHERE = Flat([1]), Sphere(2)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("importance", [False, True])
def test_the_true_drifts_of_gaussian_data_have_no_gradient(importance):
    rate, mean, deviation, n = Linear(0.5, 0.1), 0.7, 0.3, 20_000
    process = DiffusionMixture(LINE, rate, first=0.05, importance=importance)
    noise = torch.randn(n, 1, generator=generator(), dtype=torch.float64)
    latent = mean + deviation * noise

    def loss(forward_slope, backward_slope):
        def predict(x, t):
            share = like(rate.variance(t) / rate.total, x)
            variance = (1 - share) ** 2 + share**2 * deviation**2
            variance = variance + rate.total * share * (1 - share)
            surprise = (x - share * mean) / variance
            ends = mean + share * deviation**2 * surprise, (1 - share) * surprise
            f, b = process.targets(x, ends[1], ends[0], t)
            return torch.cat([forward_slope * f, backward_slope * b], 1)

        return BridgeMatching().loss(predict, process, latent, {}, generator(1))

    for slopes in (torch.eye(2) / 2, -torch.eye(2) / 2):
        for change in slopes:
            ahead, behind = loss(*(1 + change).tolist()), loss(*(1 - change).tolist())
            derivative = ahead - behind
            assert derivative.std() > 0
            assert derivative.mean().abs() < 4 * derivative.std() / n**0.5


def test_of_a_single_datum_the_forward_drift_is_that_to_it():
    rate, latent = Linear(0.1, 0.0), SPHERE.random(1, generator(), dtype=torch.float64)
    process, latent = DiffusionMixture(SPHERE, rate), latent.expand(30, 3)
    zero = torch.zeros(30, 3, dtype=torch.float64, requires_grad=True)

    def predict(x, t):
        drift = like(2 / (1 - t.double()), x) * SPHERE.log(x, latent)
        return torch.cat([drift + zero, torch.zeros_like(x)], 1)

    loss = BridgeMatching().loss(predict, process, latent, {}, generator(1))
    loss.sum().backward()
    t = process.random_times(30, generator(1), None).double()
    # The gradient is the error over beta, which is 0.1 (1 - t).
    assert (zero.grad.norm(dim=1) * 0.1 * (1 - t)).max() < 1e-4


@pytest.mark.parametrize("space", [SPHERE, Rotations()], ids=repr)
def test_the_loss_of_silence_is_half_the_squares_of_both_targets(space):
    process = DiffusionMixture(space, Linear(0.2, 0.2), steps=3)
    latent = space.random(8, generator(), dtype=torch.float64)
    seen = {}

    def predict(x, t):
        seen.update(x=x, t=t)
        return torch.zeros_like(torch.cat([x, x], 1))

    loss = BridgeMatching().loss(predict, process, latent, {}, generator(1))
    own = generator(1)
    t = process.random_times(8, own, None)
    origin = space.random(8, own, dtype=torch.float64)
    assert_close(seen["t"], t)
    forward = space.distance(seen["x"], latent) / (1 - t)
    backward = space.distance(seen["x"], origin) / t
    assert_close(loss, (forward.square() + backward.square()) / 2 / 0.2, rtol=1e-5, atol=1e-8)


def test_outputs_that_are_no_pair_are_refused():
    process, latent = DiffusionMixture(SPHERE, Linear()), SPHERE.random(2)
    with pytest.raises(ValueError, match=r"gives \(3,\) for points of \(3,\): two drifts"):
        BridgeMatching().loss(lambda x, t: x, process, latent, {})
