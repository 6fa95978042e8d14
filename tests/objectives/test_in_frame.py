"""Outputs read in a frame: the objective underneath is the same, in other units."""

import math

import pytest
import torch
from torch.testing import assert_close

from ldm.objectives import FlowMatching, ImplicitScoreMatching, InFrame, Regression
from ldm.processes import Brownian, GeodesicFlow, Langevin
from ldm.processes.rates import Linear
from ldm.samplers import Likelihood
from ldm.spaces import SPD, Flat, Hyperboloid, PoincareBall, Rotations

SPACES = [PoincareBall(2, 0.5), Hyperboloid(2, 0.5), SPD(2, 0.5), Rotations()]
every = pytest.mark.parametrize("space", SPACES, ids=repr)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def data(space, n: int = 6) -> torch.Tensor:
    return space.random(n, generator(1), dtype=torch.float64)


@every
def test_the_length_of_the_field_is_that_of_the_output(space):
    x, output = data(space), torch.randn(6, space.dim, generator=generator()).double()
    field = InFrame(FlowMatching()).read(output, GeodesicFlow(space), x, torch.zeros(6)).velocity
    assert_close(space.inner(x, field, field), output.square().sum(1))


def test_in_the_ball_it_is_carried_from_the_origin():
    space, output = SPACES[0], torch.randn(6, 2, generator=generator()).double()
    x, origin = data(space), torch.zeros(6, 2).double()
    field = InFrame(FlowMatching()).read(output, GeodesicFlow(space), x, torch.zeros(6)).velocity
    assert_close(field, space.transport(origin, x, output / 2))  # unit vectors there are of 1/2


@every
@pytest.mark.parametrize("objective", [FlowMatching(), ImplicitScoreMatching()])
def test_the_loss_is_that_of_the_field(space, objective):
    if isinstance(objective, FlowMatching):
        process = GeodesicFlow(space)
    elif isinstance(space, Rotations):
        process = Brownian(space, Linear(0.1, 1.0))
    else:
        process = Langevin(space, Linear(0.1, 1.0), steps=3)
    numbers = math.prod(space.shape)
    weight = torch.randn(space.dim, numbers, generator=generator()).double()

    def output(x, t):
        return torch.tanh(x.flatten(1) @ weight.T)

    def field(x, t):
        return space.frame(x, output(x, t))

    found = InFrame(objective).loss(output, process, data(space), {}, generator())
    assert_close(found, objective.loss(field, process, data(space), {}, generator()))


def test_the_likelihood_in_the_ball_is_that_on_the_hyperboloid():
    # One field, in two sets of coordinates: frames of both are carried from the origin.
    ball, sheet = SPACES[:2]

    def found(space, to_ball, x):
        flow, objective = GeodesicFlow(space), InFrame(FlowMatching())

        def denoise(x, t, condition):
            output = torch.sin(3 * to_ball(x)) * (1 + t[:, None])
            return objective.read(output, flow, x, t)

        return Likelihood(steps=40)(denoise, flow, x, {}).log_density

    x = data(ball)
    there = found(sheet, ball.from_hyperboloid, ball.to_hyperboloid(x))
    assert_close(found(ball, lambda x: x, x), there, rtol=0, atol=1e-3)


def test_it_refuses_what_the_objective_does_and_outputs_of_another_size():
    flow = GeodesicFlow(SPACES[1])
    with pytest.raises(ValueError, match="must give 2 coordinates"):
        InFrame(FlowMatching()).read(torch.zeros(1, 3), flow, data(SPACES[1], 1), torch.zeros(1))
    with pytest.raises(ValueError, match="Regression teaches a Denoised"):
        InFrame(Regression()).check(GeodesicFlow(Flat([2])))
