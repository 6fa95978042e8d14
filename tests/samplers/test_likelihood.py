"""Densities that are known exactly, by every process and both solvers."""

import math

import pytest
import torch
from torch.distributions import Normal
from torch.testing import assert_close

from ldm.objectives import (
    BridgeMatching,
    FlowMatching,
    ImplicitScoreMatching,
)
from ldm.processes import Brownian, DiffusionMixture, GeodesicFlow, Langevin, Score, Velocity
from ldm.processes.rates import Linear
from ldm.randomness import sample_generators
from ldm.samplers import Likelihood, Unsolved
from ldm.spaces import Flat, Hyperboloid, PoincareBall, Power, Rotations, Sphere, Torus
from ldm.spaces.heat_kernels.circle import wrapped_log_density, wrapped_score

MEAN, STD = 0.7, 0.3
LINE = Flat([2])
solvers = pytest.mark.parametrize("options", [{"steps": 50}, {"tolerance": 1e-5}], ids=str)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def points(space, n: int = 4) -> torch.Tensor:
    return space.random(n, generator(), dtype=torch.float64)


def column(t: torch.Tensor) -> torch.Tensor:
    return t[:, None]


@pytest.mark.parametrize("options", [{"steps": 3}, {}], ids=str)
@pytest.mark.parametrize(
    ("process", "objective"),
    [
        (Brownian(Sphere(2), Linear()), ImplicitScoreMatching()),
        (Brownian(Rotations(), Linear()), ImplicitScoreMatching()),
        (Langevin(Hyperboloid(2, 0.5), Linear(0.01, 2.0)), ImplicitScoreMatching()),
        (GeodesicFlow(Torus(3)), FlowMatching()),
        (GeodesicFlow(PoincareBall(2, 0.5)), FlowMatching()),
        (DiffusionMixture(Sphere(2), Linear(0.1, 0.0)), BridgeMatching()),
    ],
    ids=lambda part: type(part).__name__,
)
def test_silent_networks_have_the_density_of_the_reference_law(process, objective, options):
    calls = []

    def denoise(x, t, condition):
        calls.append(t)
        pair = torch.cat([x, x], 1) if isinstance(objective, BridgeMatching) else x
        return objective.read(torch.zeros_like(pair), process, x, t)

    x = points(process.space)
    found = Likelihood(**options)(denoise, process, x, {}).log_density
    assert_close(found, process.space.log_density(x))
    if not math.isinf(process.space.log_volume):
        assert_close(found, torch.full_like(found, -process.space.log_volume))
    assert len(calls) <= 50 * process.space.dim  # of an adaptive solver with nothing to do


@solvers
def test_gaussian_data_of_a_flow(options):
    flow = GeodesicFlow(LINE)

    def denoise(x, t, condition):
        t = column(t)
        variance = (1 - t) ** 2 + t**2 * STD**2
        growth = (t * STD**2 - (1 - t)) / variance
        return Velocity(MEAN + growth * (x - t * MEAN))

    x = MEAN + STD * points(LINE)
    expected = Normal(MEAN, STD).log_prob(x).sum(1)
    found = Likelihood(**options)(denoise, flow, x, {}).log_density
    assert_close(found, expected, rtol=0, atol=5e-3)


@solvers
def test_gaussian_data_of_langevin_dynamics_are_blurred_by_the_earliest_noise(options):
    process = Langevin(LINE, Linear(0.1, 40.0), first=0.05)

    def law(t):
        s = process.variance(t)
        return MEAN * (-s / 2).exp(), -torch.expm1(-s) + STD**2 * (-s).exp()

    def denoise(x, t, condition):
        mean, variance = map(column, law(t))
        return Score((mean - x) / variance)

    x = MEAN + STD * points(LINE)
    mean, variance = law(torch.tensor(0.05, dtype=x.dtype).expand(1))
    expected = Normal(mean, variance.sqrt()).log_prob(x).sum(1)
    found = Likelihood(**options)(denoise, process, x, {}).log_density
    assert_close(found, expected, rtol=0, atol=0.01)
    assert (Normal(MEAN, STD).log_prob(x).sum(1) - expected).abs().max() > 0.02


@solvers
@pytest.mark.parametrize("rate", [Linear(0.2, 0.2), Linear(0.4, 0.0)], ids=["even", "falling"])
def test_gaussian_data_of_a_mixture_of_bridges(options, rate):
    process = DiffusionMixture(LINE, rate, first=0.02)

    def law(share):
        noise = rate.total * share * (1 - share)
        return share * MEAN, (1 - share) ** 2 + share**2 * STD**2 + noise

    def denoise(x, t, condition):
        # What is at stake is the flow, finite at time 0 although the backward drift is not.
        t = column(t.clamp(min=1e-9))
        share = rate.variance(t[:, 0])[:, None] / rate.total
        mean, variance = law(share)
        surprise = (x - mean) / variance
        latent, origin = MEAN + share * STD**2 * surprise, (1 - share) * surprise
        return process.targets(x, origin, latent, t[:, 0])

    x = MEAN + STD * points(LINE)
    mean, variance = law(rate.variance(torch.tensor([0.98], dtype=x.dtype)) / rate.total)
    expected = Normal(mean, variance.sqrt()).log_prob(x).sum(1)
    found = Likelihood(**options)(denoise, process, x, {}).log_density
    assert_close(found, expected, rtol=0, atol=0.01)


@pytest.mark.parametrize("space", [Torus(1), Power(Sphere(1), 1)], ids=repr)
def test_wrapped_data_of_brownian_motion_on_the_circle(space):
    process, variance = Brownian(space, Linear(0.1, 40.0), first=0.02), 0.2

    def angle(x):
        return x[:, 0] if x.shape[1] == 1 else torch.atan2(x[:, 1], x[:, 0])

    def denoise(x, t, condition):
        slope = wrapped_score(angle(x) - MEAN, variance + process.variance(t))[:, None]
        quarter = torch.stack([-x[:, -1], x[:, 0]], 1)
        return Score(slope if x.shape[1] == 1 else slope * quarter)

    turn = torch.tensor([-0.9, -0.4, 0.2, 0.7], dtype=torch.float64) + MEAN
    x = turn[:, None] if space.dim == space.shape[0] else torch.stack([turn.cos(), turn.sin()], 1)
    blurred = variance + process.variance(torch.tensor(0.02, dtype=x.dtype).expand(4))
    expected = wrapped_log_density(turn - MEAN, blurred)
    found = Likelihood(tolerance=1e-3)(denoise, process, x, {}).log_density
    assert_close(found, expected, rtol=0, atol=0.02)


def test_a_flow_up_the_sphere_crowds_points_at_its_top():
    # tan(a / 2) of the angle to the top falls by e, so d cos a grows by (cosh 1 - cos a sinh 1)^2.
    def denoise(x, t, condition):
        return Velocity(Sphere(2).tangent(x, torch.tensor([0.0, 0, 1]).to(x).expand_as(x)))

    x = points(Sphere(2))
    found = Likelihood(tolerance=1e-8)(denoise, GeodesicFlow(Sphere(2)), x, {}).log_density
    growth = math.cosh(1) - x[:, 2] * math.sinh(1)
    assert_close(found, -math.log(4 * math.pi) - 2 * growth.log(), rtol=1e-5, atol=1e-5)


def test_the_ball_and_the_hyperboloid_give_the_same_density():
    ball = PoincareBall(2, 0.5)
    space = ball.hyperboloid

    goal = space.random(1, generator(1), dtype=torch.float64)

    def field(y):
        turn = torch.stack([torch.zeros_like(y[:, 0]), -y[:, 2], y[:, 1]], 1)
        return turn + space.log(y, goal.expand_as(y)) / 2

    def on_hyperboloid(y, t, condition):
        return Velocity(field(y))

    def on_ball(x, t, condition):
        y = ball.to_hyperboloid(x)
        return Velocity(torch.func.jvp(ball.from_hyperboloid, (y,), (field(y),))[1])

    x = points(ball)
    likelihood = Likelihood(tolerance=1e-6)
    found = likelihood(on_ball, GeodesicFlow(ball), x, {}).log_density
    expected = likelihood(
        on_hyperboloid, GeodesicFlow(space), ball.to_hyperboloid(x), {}
    ).log_density
    assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert (found - ball.log_density(x)).abs().max() > 0.1


def curl(x, t, condition):
    return Velocity(Sphere(2).tangent(x, 2 * x.roll(1, 1).sin() + x * x.roll(1, 1)))


def test_random_probes_give_the_log_density_in_the_mean():
    flow, n = GeodesicFlow(Sphere(2)), 3000
    x = points(flow.space, 1).expand(n, 3)
    exact = Likelihood(steps=10)(curl, flow, x[:1], {}).log_density
    found = Likelihood(steps=10, exact=False)(curl, flow, x, {}, generator()).log_density
    error = found.std().item() / n**0.5
    assert error > 1e-3
    assert found.mean().item() == pytest.approx(exact.item(), abs=4 * error)


def test_a_probe_of_signs_is_exact_where_axes_do_not_mix():
    flow = GeodesicFlow(Torus(50))
    x = flow.space.random(4, generator(), dtype=torch.float64)

    def each(x, t, condition):
        return Velocity(x.sin())

    exact = Likelihood(steps=10)(each, flow, x, {}).log_density
    found = Likelihood(steps=10, exact=False)(each, flow, x, {}, generator()).log_density
    assert_close(found, exact)


def test_a_point_with_its_own_generator_ignores_its_neighbours():
    flow, x = GeodesicFlow(Sphere(2)), points(Sphere(2), 3)
    likelihood = Likelihood(steps=4, exact=False)
    whole = likelihood(curl, flow, x, {}, sample_generators(0, range(3))).log_density
    for k in range(3):
        alone = likelihood(curl, flow, x[k : k + 1], {}, sample_generators(0, [k])).log_density
        assert_close(alone, whole[k : k + 1])


def test_fixed_steps_are_of_second_order():
    flow, x = GeodesicFlow(Sphere(2)), points(Sphere(2))
    exact = Likelihood(tolerance=1e-8)(curl, flow, x, {}).log_density
    coarse, fine = (
        (Likelihood(steps=steps)(curl, flow, x, {}).log_density - exact).abs().max()
        for steps in (20, 40)
    )
    assert (coarse / fine).log2().item() == pytest.approx(2, abs=0.2)


def test_no_steps_are_refused():
    with pytest.raises(ValueError, match="1 step or more, got 0"):
        Likelihood(steps=0)


def test_a_network_that_says_nan_has_no_likelihood():
    flow = GeodesicFlow(LINE)

    def broken(x, t, condition):
        return Velocity(torch.where(x[:, :1] > 0, math.nan, 0.0) * x)

    x = torch.tensor([[1.0, 2.0], [-1.0, 2.0], [3.0, 1.0]])
    with pytest.raises(Unsolved, match="the likelihood came to NaN for 2 of 3 points"):
        Likelihood(steps=2)(broken, flow, x, {})
