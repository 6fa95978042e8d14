"""The adaptive solver against exact maps, and the calls it makes."""

import math

import pytest
import torch
from drawing import draw
from torch import nn
from torch.testing import assert_close

from ldm.objectives import FlowMatching
from ldm.priors import Denoiser
from ldm.processes import Brownian, GeodesicFlow, Score, Velocity
from ldm.processes.rates import Linear
from ldm.randomness import sample_generators
from ldm.samplers import AdaptiveODE, Likelihood, Unsolved
from ldm.samplers.adaptive import solve
from ldm.spaces import Sphere, Torus
from ldm.spaces.heat_kernels.circle import wrapped_score

CIRCLE, SPHERE = Torus(1), Sphere(2)
NOISING = Brownian(CIRCLE, Linear(0.1, 16.0), first=0.01)
MEAN, VARIANCE = 1.0, 0.2


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def wrapped_data(x, t, condition):
    """Exact score of noisy data of a wrapped normal law."""
    return Score(wrapped_score(x - MEAN, VARIANCE + NOISING.variance(t)[:, None]))


def climb(x, t, condition):
    """Up the sphere: the angle a to its top has tan(a / 2) fall as exp(-t)."""
    return Velocity(SPHERE.tangent(x, torch.tensor([0.0, 0, 1]).expand_as(x)))


def test_samples_have_the_law_of_the_data():
    x = draw(AdaptiveODE(), wrapped_data, NOISING, 2000, generator())
    CIRCLE.check(x)
    cosine = (x - MEAN).cos()
    left = VARIANCE + NOISING.variance(torch.tensor([0.01])).item()
    error = cosine.std().item() / 2000**0.5
    assert cosine.mean().item() == pytest.approx(math.exp(-left / 2), abs=4 * error)


def test_a_curved_flow_is_followed():
    flow = GeodesicFlow(SPHERE)
    start, end = (
        flow.random(20, generator()),
        draw(AdaptiveODE(), climb, flow, 20, generator()),
    )
    SPHERE.check(end)
    before, after = ((x[:, :2].norm(dim=1) / (1 + x[:, 2])) for x in (start, end))
    assert_close(after, before / math.e, rtol=1e-3, atol=1e-4)


def test_the_flow_back_returns():
    end = draw(AdaptiveODE(), wrapped_data, NOISING, 20, generator()).double()

    def field(t, states):
        times = t.expand(20)
        return (NOISING.velocity(wrapped_data(states[0], times, {}), states[0], times),)

    (start,) = solve(field, (end,), NOISING.span[::-1], 1e-7, 1e-7)
    apart = CIRCLE.log(NOISING.random(20, generator()).double(), CIRCLE.project(start))
    assert apart.abs().max() < 1e-3


def test_a_network_that_says_nothing_is_soon_asked_no_more():
    calls = []

    def silent(x, t, condition):
        calls.append(t)
        return Velocity(torch.zeros_like(x))

    flow = GeodesicFlow(SPHERE)
    x = draw(AdaptiveODE(), silent, flow, 5, generator())
    assert_close(x, flow.random(5, generator()))
    assert len(calls) <= 50  # the first step is tiny, and none is more than ten times the last


def test_it_never_asks_beyond_the_span():
    asked = []

    def noted(x, t, condition):
        asked.append(t[0].item())
        return wrapped_data(x, t, condition)

    draw(AdaptiveODE(), noted, NOISING, 5, generator())
    assert 0.01 - 1e-7 <= min(asked) < 0.02
    assert max(asked) == 1


def test_company_changes_samples_by_no_more_than_the_tolerance():
    flow = GeodesicFlow(SPHERE)
    whole, alone = (
        draw(AdaptiveODE(1e-6, 1e-6), climb, flow, n, sample_generators(0, range(n)))
        for n in (6, 1)
    )
    assert_close(alone, whole[:1], rtol=0, atol=1e-5)


def wild(x, t, condition):
    """A field that turns round a million times."""
    sign = (1e6 * t[:, None]).sin().sign()
    return Velocity(1e4 * sign * SPHERE.tangent(x, torch.ones_like(x)))


def broken(x, t, condition):
    return Velocity(torch.where(t[:, None] > 0.5, math.nan, 0.0) * x)


@pytest.mark.parametrize(
    ("field", "reason"), [(wild, "changes too fast"), (broken, "is NaN or infinite")]
)
@pytest.mark.parametrize(
    "use",
    [
        lambda field, flow: draw(AdaptiveODE(), field, flow, 3, generator()),
        lambda field, flow: Likelihood()(field, flow, flow.random(3, generator()), {}),
    ],
    ids=["sample", "likelihood"],
)
def test_where_no_step_is_small_enough_it_says_what_to_do(field, reason, use, monkeypatch):
    monkeypatch.setattr("ldm.samplers.adaptive.LIMIT", 50)
    with pytest.raises(Unsolved, match=rf"gave up \(.*\).*prediction {reason}; take a fixed"):
        use(field, GeodesicFlow(SPHERE))


class Strict(nn.Module):
    """A turn about an axis that refuses what is no point of the sphere."""

    def __init__(self, space) -> None:
        super().__init__()
        self.space, self.axis = space, nn.Parameter(torch.tensor([0.5, -2.0, 1.0]))

    def forward(self, x, t):
        assert_on(self.space, x.detach())
        return torch.linalg.cross(self.axis.to(x).expand_as(x), x)


class StrictLaw:
    """The uniform distribution, which refuses likewise."""

    def __init__(self, space) -> None:
        self.space, self.random = space, space.random

    def log_density(self, x):
        assert_on(self.space, x)
        return self.space.log_density(x)


def assert_on(space, x):
    assert (x - space.project(x)).abs().max() < 4 * torch.finfo(x.dtype).eps


def test_networks_and_base_distributions_are_asked_at_points_of_the_space_only():
    sphere = Sphere(2)
    prior = Denoiser(Strict(sphere), GeodesicFlow(sphere, base=StrictLaw), FlowMatching())
    x = prior.sample(20, {}, AdaptiveODE(1e-3, 1e-3), torch.Generator().manual_seed(0))
    assert_on(sphere, x)
    x = sphere.project(x.double())
    for likelihood in (Likelihood(tolerance=1e-3), Likelihood(steps=3)):
        found = prior.log_prob(x, {}, likelihood)
        assert_close(found, sphere.log_density(x), atol=1e-3, rtol=0)
