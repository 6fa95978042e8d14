"""The bridge to a lattice against sums over all of its points, and its known numbers."""

import math

import pytest
import torch
from torch.testing import assert_close

from ldm.processes import Drift, LatticeBridge
from ldm.randomness import normal
from ldm.samplers import EulerMaruyama
from ldm.spaces import Flat, Lattice


@pytest.fixture
def bridge() -> LatticeBridge:
    return LatticeBridge(Lattice([6, 4], levels=5, lowest=-2))


def test_the_expected_end_is_that_over_all_points_of_the_lattice():
    bridge = LatticeBridge(Lattice([3, 2], levels=5, lowest=-2))
    x = normal((4, 3, 2), torch.Generator().manual_seed(0), dtype=torch.float64)
    t = torch.tensor([0.0, 0.4, 0.9, 0.999], dtype=torch.float64)
    every = torch.cartesian_prod(*[torch.arange(-2.0, 3.0, dtype=torch.float64)] * 3)
    rest = bridge.schedule.remaining(t)
    away = (x.movedim(1, -1)[..., None, :] - every).square().sum(-1)
    weights = (-away / (2 * rest[:, None, None])).softmax(-1)
    assert weights.shape == (4, 2, 125)
    assert_close(bridge.expected_end(x, t), (weights @ every).movedim(-1, 1))


def test_the_known_drift_is_the_gradient_of_the_log_probability_to_end_on_the_lattice(bridge):
    x = normal((3, 6, 4), torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    t = torch.tensor([0.1, 0.5, 0.95], dtype=torch.float64)
    levels = torch.arange(-2.0, 3.0, dtype=torch.float64)
    rest = bridge.schedule.remaining(t).view(-1, 1, 1, 1)
    log_h = (-(x[..., None] - levels).square() / (2 * rest)).logsumexp(-1).sum()
    (gradient,) = torch.autograd.grad(log_h, x)
    nothing = Drift(torch.zeros_like(x))
    found = bridge.drift(nothing, x.detach(), t)
    assert_close(found, bridge.schedule.rate(t).view(-1, 1, 1) * gradient)


def test_a_bridge_to_one_datum_pulls_to_it(bridge):
    x, z = (bridge.space.random(2, torch.Generator().manual_seed(k)) for k in (0, 1))
    t = torch.tensor([0.2, 0.7])
    whole = bridge.drift(Drift(bridge.target(z, x, t)), x, t)
    pull = bridge.schedule.rate(t) / bridge.schedule.remaining(t)
    assert_close(whole, pull.view(-1, 1, 1) * (z - x))


def test_the_published_numbers(bridge):
    last, rate = torch.tensor([0.999], dtype=torch.float64), bridge.schedule
    assert rate.total == pytest.approx(0.9502129, abs=1e-7)
    assert rate.remaining(last).item() == pytest.approx(1.4958547e-4, rel=1e-7)
    assert rate.rate(last).item() == pytest.approx(0.1498100, rel=1e-6)
    assert (rate.rate(last) / rate.remaining(last)).item() == pytest.approx(1001.5, abs=0.05)
    assert (bridge.diffusion(last) * math.sqrt(1e-3)).item() == pytest.approx(0.01224, abs=1e-5)


def test_marginals_start_at_zero_and_have_the_variance_of_a_bridge(bridge):
    z = bridge.space.random(20_000, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    assert not bridge.noise(z, torch.zeros(20_000), generator).any()
    half = -math.log1p(-bridge.schedule.total / 2) / 3  # where half of the variance has passed
    x = bridge.noise(z, torch.full((20_000,), half), generator)
    assert (x - z / 2).var().item() == pytest.approx(0.2375532, rel=0.01)


def test_walks_from_noise_have_the_marginals_of_a_bridge_from_there(bridge):
    n, generator = 20_000, torch.Generator().manual_seed(1)
    walk = LatticeBridge(bridge.space, start=1.0)
    z = bridge.space.random(n, torch.Generator().manual_seed(0))
    assert walk.random(n, generator).var().item() == pytest.approx(1, rel=0.01)
    assert walk.noise(z, torch.zeros(n), generator).var().item() == pytest.approx(1, rel=0.01)
    half = -math.log1p(-bridge.schedule.total / 2) / 3
    x = walk.noise(z, torch.full((n,), half), generator)
    assert (x - z / 2).var().item() == pytest.approx(0.2375532 + 1 / 4, rel=0.01)
    mask = torch.arange(4).expand(n, 4) < 2
    assert not walk.on({"mask": mask}).random(n, generator)[:, :, 2:].any()


def test_times_are_multiples_of_a_step_before_the_end(bridge):
    t = bridge.random_times(5000, torch.Generator().manual_seed(0), "cpu")
    assert_close(t * 1000, (t * 1000).round(), atol=1e-4, rtol=0)
    assert (t.min(), t.max() < 1) == (0, True)
    assert t.mean().item() == pytest.approx(0.4995, abs=0.02)


def test_without_data_walks_end_on_points_as_brownian_motion_would(bridge):
    def denoise(x, t, condition):
        return Drift(torch.zeros_like(x))

    start = bridge.random(400)
    generator = torch.Generator().manual_seed(0)
    end = EulerMaruyama(200)(denoise, bridge, start, {}, generator)
    counts = torch.bincount((end.flatten() + 2).long(), minlength=5)
    expected = (-torch.arange(-2.0, 3.0).square() / (2 * bridge.schedule.total)).softmax(0)
    assert_close(counts / counts.sum(), expected, atol=0.015, rtol=0)
    # Before it is projected, the end is within rounding of a point.
    before = EulerMaruyama(1000)(denoise, bridge, start[:20], {}, generator, (0.0, 0.999))
    near = before + 0.001 * bridge.drift(Drift(before * 0), before, torch.full((20,), 0.999))
    assert (near - near.round()).abs().max() < 0.01


def test_the_drift_to_one_point_leads_there(bridge):
    goal = bridge.space.random(1, torch.Generator().manual_seed(5))

    def denoise(x, t, condition):
        return Drift(bridge.target(goal.expand_as(x), x, t))

    end = EulerMaruyama(300)(denoise, bridge, bridge.random(30), {}, torch.Generator())
    assert_close(end, goal.expand_as(end))


def test_empty_places_stay_empty(bridge):
    view = bridge.on({"mask": torch.tensor([[True, True, False, False]]).expand(3, 4)})
    z = view.space.random(3, torch.Generator().manual_seed(0))
    t = torch.tensor([0.1, 0.5, 0.9])
    x = view.noise(z, t, torch.Generator().manual_seed(1))
    for found in (x, view.target(z, x, t), view.drift(Drift(torch.zeros_like(x)), x, t)):
        assert not found[..., 2:].any()
        assert found[..., :2].any()


def test_other_spaces_samplers_and_uses_are_refused(bridge):
    with pytest.raises(ValueError, match="ScalarQuantizer"):
        LatticeBridge(Flat([3, 2]))
    with pytest.raises(ValueError, match="1 step or more"):
        LatticeBridge(bridge.space, steps=0)
    x = bridge.random(2)
    with pytest.raises(ValueError, match="EulerMaruyama"):
        bridge.velocity(Drift(x), x, torch.zeros(2))
