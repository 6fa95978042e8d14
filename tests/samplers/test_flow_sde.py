"""SiT's stochastic sampler draws Gaussian data along every path and with every diffusion."""

import pytest
import torch
from drawing import draw

from ldm.objectives import Regression
from ldm.processes import (
    GaussianDiffusion,
    GeodesicFlow,
    LinearFlow,
    TrigonometricFlow,
    VariancePreservingFlow,
)
from ldm.samplers import EulerODE, FlowSDE
from ldm.samplers.flow_sde import FORMS
from ldm.spaces import Flat, Sphere
from ldm.tensors import like

PATHS = [LinearFlow, TrigonometricFlow, VariancePreservingFlow]


class Axes(Flat):
    """A space whose n-th draw is the n-th unit vector, so that a linear walk ends at a variance."""

    def __init__(self, draws: int) -> None:
        super().__init__([draws])
        self.drawn = 0

    def random(self, n, generator=None, device=None, dtype=torch.float64):
        self.drawn += 1
        return torch.eye(self.dim, dtype=torch.float64)[None, self.drawn - 1]


def deviation(path, data, steps: int, **options) -> float:
    """Standard deviation of the samples, exact but for rounding."""
    flow = path(Axes(steps + 1), sample_eps=1e-3)
    start = flow.space.random(1)
    return FlowSDE(steps, **options)(data.denoise(flow), flow, start, {}).norm().item()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.__name__)
def test_every_form_ends_at_the_deviation_of_the_data_the_nearer_the_more_steps(path, form, data):
    data.mean, data.std = 0.0, 0.6
    few, many = (
        abs(deviation(path, data, steps, form=form, last_step=0.004) - data.std)
        for steps in (100, 400)
    )
    assert many < 0.01
    assert many < max(few, 0.008)  # errors of steps and of the last one may cancel


def test_noise_of_another_strength_leaves_the_distribution(data):
    data.mean, data.std = 0.0, 0.6
    found = [deviation(LinearFlow, data, 400, norm=norm, last_step=0.01) for norm in (0.5, 2.0)]
    assert found == pytest.approx([0.6, 0.6], abs=0.01)


@pytest.mark.parametrize("target", ["velocity", "eps", "score"])
def test_what_the_network_predicts_does_not_matter(target, data):
    flow = LinearFlow(Flat([3]), sample_eps=1e-3)
    objective = Regression(target)

    def denoise(noisy, t, condition):
        found = data.denoise(flow)(noisy, t, condition)
        output = {
            "velocity": flow.velocity(found, noisy, t),
            "eps": found.eps,
            "score": flow.score(found, noisy, t),
        }[target]
        return objective.read(output, flow, noisy, t)

    x, exact = (
        draw(FlowSDE(20), one, flow, 4, torch.Generator().manual_seed(0))
        for one in (denoise, data.denoise(flow))
    )
    torch.testing.assert_close(x, exact, rtol=1e-3, atol=1e-3)


def test_the_steps_are_sits_and_the_last_is_of_the_drift_alone(data):
    flow, times = LinearFlow(Flat([2])), []

    def denoise(noisy, t, condition):
        times.append(t[0].item())
        return data.denoise(flow)(noisy, t, condition)

    random = torch.Generator().manual_seed(0)
    x = draw(FlowSDE(5), denoise, flow, 3, random)
    assert times == pytest.approx(torch.linspace(0, 0.96, 5).tolist())

    random = torch.Generator().manual_seed(0)
    y = flow.random(3, random)
    for number, t in enumerate(torch.linspace(0, 0.96, 5)):
        t = t.expand(3)
        found = data.denoise(flow)(y, t, {})
        sigma = like(1 - t, y)
        drift = found.x0 - found.eps + sigma * -found.eps / sigma
        if number < 4:
            y = y + 0.24 * drift + (2 * sigma * 0.24).sqrt() * flow.space.random(3, random)
    torch.testing.assert_close(x, y + 0.04 * drift)


def test_without_noise_it_is_eulers_method(data):
    flow = TrigonometricFlow(Flat([4]))
    found, expected = (
        draw(sampler, data.denoise(flow), flow, 3, torch.Generator().manual_seed(0))
        for sampler in (FlowSDE(8, norm=0.0, last_step=0.0), EulerODE(8))
    )
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_any_number_of_steps_reaches_a_single_datum(steps, data):
    data.std = 0.0
    flow = LinearFlow(Flat([4]))
    x = draw(FlowSDE(steps, norm=0.0), data.denoise(flow), flow, 3)
    torch.testing.assert_close(x, torch.full_like(x, 0.5))


def test_what_it_cannot_walk_is_refused(data):
    flow = LinearFlow(Flat([2]))
    with pytest.raises(ValueError, match=r"sbdm is infinite at time 0, pure noise: set prior.proc"):
        draw(FlowSDE(4, form="sbdm"), data.denoise(flow), flow, 2)
    for process in (GaussianDiffusion(Flat([2])), GeodesicFlow(Sphere(2))):
        with pytest.raises(ValueError, match=r"no flow from Gaussian noise|has no velocity"):
            draw(FlowSDE(4), data.denoise(process), process, 2)
    with pytest.raises(ValueError, match="no form 'cubic': choose one of constant, sbdm"):
        FlowSDE(form="cubic")
    with pytest.raises(ValueError, match=r"got 0, 1.0 and 0.04"):
        FlowSDE(0)
