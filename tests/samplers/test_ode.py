"""Exact maps, orders of convergence and network calls of the fixed-step solvers."""

import math

import pytest
import torch
from drawing import draw
from torch import nn

from ldm.objectives import FlowMatching, Regression
from ldm.priors import Denoiser
from ldm.processes import GaussianDiffusion, GeodesicFlow, LinearFlow, Velocity
from ldm.randomness import sample_generators
from ldm.samplers import EulerODE, HeunODE
from ldm.spaces import Flat, Rotations, Sphere

SPACE = Flat([2, 8])
FLOW = LinearFlow(SPACE)


def generator():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("solver", [EulerODE, HeunODE])
def test_a_single_datum_is_reached_along_straight_lines_in_any_number_of_steps(solver, data):
    data.std = 0.0  # the velocity is then the constant x1 - eps
    for steps in (1, 3):
        x = draw(solver(steps), data.denoise(FLOW), FLOW, 4, generator())
        torch.testing.assert_close(x, torch.full_like(x, 0.5))


class Turning(nn.Module):
    """Velocities `x A` of a rotation, A being skew: along its geodesics, if all are."""

    def __init__(self, speed: float, size: int) -> None:
        super().__init__()
        upper = torch.ones(size, size).triu(1)
        self.skew = nn.Parameter(speed * (upper - upper.T))

    def forward(self, x, t):
        return x @ self.skew


@pytest.mark.parametrize("speed", [0.5, 2.0])
@pytest.mark.parametrize(("space", "size"), [(Sphere(1), 2), (Rotations(), 3)], ids=repr)
@pytest.mark.parametrize("solver", [EulerODE, HeunODE])
def test_a_field_of_rotation_is_followed_exactly_along_its_geodesics(solver, space, size, speed):
    prior = Denoiser(Turning(speed, size), GeodesicFlow(space), FlowMatching())
    x = prior.sample(8, {}, solver(3), generator())
    start = space.random(8, generator())
    expected = start @ torch.linalg.matrix_exp(prior.backbone.skew.detach())
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("solver", "order"), [(EulerODE, 1), (HeunODE, 2)])
def test_errors_against_the_exact_map_fall_at_the_solvers_order(solver, order, data):
    # SiT: for data N(m, s^2) the flow takes eps to m + s eps.
    exact = data.mean + data.std * SPACE.random(4, generator())
    coarse, fine = (
        (draw(solver(steps), data.denoise(FLOW), FLOW, 4, generator()) - exact).abs().max()
        for steps in (40, 80)
    )
    assert (coarse / fine).log2().item() == pytest.approx(order, abs=0.1)
    assert fine < 0.03


def test_the_exact_map_is_the_gaussian_datas(data):
    # Checks the test above: the map of `GaussianData` starts from the noise itself at time 0.
    noise = SPACE.random(4, generator())
    exact = data.flow_to_data(FLOW, noise, torch.zeros(4))
    torch.testing.assert_close(exact, data.mean + data.std * noise)


@pytest.mark.parametrize(("solver", "calls"), [(EulerODE, 5), (HeunODE, 9)])
def test_the_network_is_called_as_often_as_promised_and_never_at_the_end(solver, calls, data):
    times = []

    def denoise(noisy, t, condition):
        times.append(t.unique().item())
        return data.denoise(FLOW)(noisy, t, condition)

    draw(solver(5), denoise, FLOW, 2, generator())
    assert len(times) == calls
    assert times[0] == 0
    assert max(times) < 1


@pytest.mark.parametrize("solver", [EulerODE, HeunODE])
def test_a_velocity_network_at_its_zero_initialisation_leaves_the_noise_as_it_is(solver):
    objective = Regression("velocity")

    def denoise(noisy, t, condition):
        return objective.read(torch.zeros_like(noisy), FLOW, noisy, t)

    x = draw(solver(7), denoise, FLOW, 3, generator())
    torch.testing.assert_close(x, SPACE.random(3, generator()))


@pytest.mark.parametrize("solver", [EulerODE, HeunODE])
def test_samples_do_not_depend_on_the_batch(solver, data):
    def sample(indices):
        own = sample_generators(5, indices)
        return draw(solver(6), data.denoise(FLOW), FLOW, len(indices), own)

    parts = torch.cat([sample([0, 1]), sample([2]), sample([3])])
    torch.testing.assert_close(sample([0, 1, 2, 3]), parts, rtol=0, atol=0)


def test_a_diffusion_is_refused(data):
    process = GaussianDiffusion(SPACE)
    with pytest.raises(ValueError, match="sample with DDIM or another"):
        draw(EulerODE(5), data.denoise(process), process, 2)


@pytest.mark.parametrize(("solver", "order"), [(EulerODE, 1), (HeunODE, 2)])
def test_on_the_sphere_errors_fall_at_the_solvers_order_along_great_circles(solver, order):
    # Up the sphere: the angle a to its top has tan(a / 2) fall as exp(-t).
    sphere, top = Sphere(2), torch.tensor([0.0, 0.0, 1.0])
    flow = GeodesicFlow(sphere)

    def climb(x, t, condition):
        return Velocity(sphere.tangent(x, top.expand_as(x)))

    def height(x):
        return x[:, :2].norm(dim=1) / (1 + x[:, 2])

    exact = 2 * torch.atan(height(flow.random(6, generator())) / math.e)
    coarse, fine = (
        (2 * height(draw(solver(steps), climb, flow, 6, generator())).atan() - exact)
        for steps in (8, 16)
    )
    ratio = coarse.abs().max() / fine.abs().max()
    # Heun's last step is Euler's, whose error is of second order too, being made once.
    assert ratio.log2().item() == pytest.approx(order, abs=0.25)


def test_a_turn_that_itself_turns_is_followed_to_second_order():
    # Two rotations at once: about an axis that goes round in its turn.
    sphere = Sphere(2)
    flow = GeodesicFlow(sphere)

    def turn(x, t, condition):
        axis = torch.stack([(3 * t).cos(), (3 * t).sin(), torch.ones_like(t)], 1)
        return Velocity(torch.linalg.cross(axis, x))

    def end(steps):
        return draw(HeunODE(steps), turn, flow, 6, generator())

    coarse, fine = ((end(steps) - end(400)).norm(dim=1).max() for steps in (10, 20))
    assert (coarse / fine).log2().item() == pytest.approx(2, abs=0.3)


@pytest.mark.parametrize("solver", [EulerODE, HeunODE])
def test_a_shift_moves_times_as_published_and_changes_no_exact_map(solver, data):
    grid = solver(4, shift=0.3).grid(FLOW, (0.0, 1.0))
    u = torch.linspace(0, 1, 5, dtype=torch.float64)
    torch.testing.assert_close(grid, 0.3 * u / (1 - 0.7 * u))
    assert grid[2].item() == pytest.approx(0.23077, abs=1e-5)  # LightningDiT's
    torch.testing.assert_close(
        solver(4).grid(FLOW, (0.2, 0.6)), torch.linspace(0.2, 0.6, 5).double()
    )
    # A part of a walk takes the times that the whole does.
    torch.testing.assert_close(solver(3, shift=0.3).grid(FLOW, (grid[1].item(), 1.0)), grid[1:])
    data.std = 0.0
    x = draw(solver(3, shift=0.3), data.denoise(FLOW), FLOW, 4, generator())
    torch.testing.assert_close(x, torch.full_like(x, 0.5))
    with pytest.raises(ValueError, match="a shift must be above 0, got 0"):
        solver(3, shift=0.0)
