"""Exact maps, orders of convergence and network calls of the fixed-step solvers."""

import pytest
import torch

from ldm.objectives import Regression
from ldm.processes import GaussianDiffusion, LinearFlow
from ldm.randomness import sample_generators
from ldm.samplers import EulerODE, HeunODE
from ldm.spaces import Flat

SPACE = Flat([2, 8])
FLOW = LinearFlow(SPACE)


def generator():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("solver", [EulerODE, HeunODE])
def test_a_single_datum_is_reached_along_straight_lines_in_any_number_of_steps(solver, data):
    data.std = 0.0  # the velocity is then the constant x1 - eps
    for steps in (1, 3):
        x = solver(steps)(data.denoise(FLOW), FLOW, SPACE, 4, {}, generator())
        torch.testing.assert_close(x, torch.full_like(x, 0.5))


@pytest.mark.parametrize(("solver", "order"), [(EulerODE, 1), (HeunODE, 2)])
def test_errors_against_the_exact_map_fall_at_the_solvers_order(solver, order, data):
    # SiT: for data N(m, s^2) the flow takes eps to m + s eps.
    exact = data.mean + data.std * SPACE.random(4, generator())
    coarse, fine = (
        (solver(steps)(data.denoise(FLOW), FLOW, SPACE, 4, {}, generator()) - exact).abs().max()
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

    solver(5)(denoise, FLOW, SPACE, 2, {}, generator())
    assert len(times) == calls
    assert times[0] == 0
    assert max(times) < 1


@pytest.mark.parametrize("solver", [EulerODE, HeunODE])
def test_a_velocity_network_at_its_zero_initialisation_leaves_the_noise_as_it_is(solver):
    objective = Regression("velocity")

    def denoise(noisy, t, condition):
        return objective.read(torch.zeros_like(noisy), FLOW, noisy, t)

    x = solver(7)(denoise, FLOW, SPACE, 3, {}, generator())
    torch.testing.assert_close(x, SPACE.random(3, generator()))


@pytest.mark.parametrize("solver", [EulerODE, HeunODE])
def test_samples_do_not_depend_on_the_batch(solver, data):
    def sample(indices):
        own = sample_generators(5, indices)
        return solver(6)(data.denoise(FLOW), FLOW, SPACE, len(indices), {}, own)

    parts = torch.cat([sample([0, 1]), sample([2]), sample([3])])
    torch.testing.assert_close(sample([0, 1, 2, 3]), parts, rtol=0, atol=0)


def test_a_diffusion_is_refused(data):
    process = GaussianDiffusion(SPACE)
    with pytest.raises(ValueError, match="sample with a Scheduler"):
        EulerODE(5)(lambda x, t, c: data.denoise(process)(x, t.long(), c), process, SPACE, 2, {})
