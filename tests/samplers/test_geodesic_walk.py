"""The random walk back to data, where scores are known, and its corrections."""

import math

import pytest
import torch
from drawing import draw
from torch import nn
from torch.testing import assert_close

from ldm.objectives import DenoisingScoreMatching
from ldm.priors import Denoiser
from ldm.processes import (
    Brownian,
    DiffusionMixture,
    Drifts,
    GeodesicFlow,
    Langevin,
    Score,
    Velocity,
)
from ldm.processes.rates import Linear
from ldm.randomness import sample_generators
from ldm.samplers import EulerODE, GeodesicWalk
from ldm.spaces import Flat, Sphere, Torus
from ldm.spaces.heat_kernels.circle import wrapped_score

CIRCLE, LINE, SPHERE = Torus(1), Flat([1]), Sphere(2)
NOISING = Brownian(CIRCLE, Linear(0.1, 10.0), first=0.01)
N = 4000


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def wrapped_data(x, t, condition):
    """Exact score of noisy data of a wrapped normal law of variance 0.2."""
    return Score(wrapped_score(x - 1, 0.2 + NOISING.variance(t)[:, None]))


def test_samples_have_the_law_of_the_data():
    x = draw(GeodesicWalk(200), wrapped_data, NOISING, N, generator())
    cosine = (x - 1).cos()
    left = 0.2 + NOISING.variance(torch.tensor([0.01])).item()
    error = cosine.std().item() / N**0.5
    assert cosine.mean().item() == pytest.approx(math.exp(-left / 2), abs=4 * error)


def test_the_drift_towards_one_datum_leads_to_it():
    process, goal = DiffusionMixture(SPHERE, Linear(0.2, 0.2)), torch.tensor([[0.0, 0.6, 0.8]])

    def denoise(x, t, condition):
        drift = SPHERE.log(x, goal.expand_as(x)) / (1 - t)[:, None]
        return Drifts(drift, torch.zeros_like(x))

    x = draw(GeodesicWalk(100), denoise, process, 200, generator())
    SPHERE.check(x)
    # What the last step adds is left: a hundredth of the variance.
    assert SPHERE.distance(x, goal.expand_as(x)).square().mean() < 2 * 0.2 / 100 * 1.3


def test_without_diffusion_it_is_eulers_method():
    flow = GeodesicFlow(SPHERE)

    def denoise(x, t, condition):
        return Velocity(SPHERE.tangent(x, t[:, None] * x.roll(1, 1)))

    walk, euler = (
        draw(sampler(7), denoise, flow, 5, generator()) for sampler in (GeodesicWalk, EulerODE)
    )
    assert_close(walk, euler)


def test_corrections_keep_the_law_they_are_told():
    # Nothing is predicted: the law of the noise is that of the data at every time.
    process = Langevin(LINE, Linear(0.01, 8.0), steps=1)

    def denoise(x, t, condition):
        return Score(-x)

    start = process.random(N, generator())
    x = start
    walk, t = GeodesicWalk(1, corrections=1, snr=0.4), torch.full((N,), 0.9)
    for number in range(100):
        x = walk._correct(denoise, process, x, t, {}, generator(number + 1))
    assert ((x - start).square().mean()) > 1.5  # so it has forgotten where it began
    # By Euler's method of step h the variance is 1 / (1 - h / 4), h at most 2 snr^2.
    assert x.var().item() == pytest.approx(1 / (1 - 0.32 / 8), rel=4 * (2 / N) ** 0.5)


def test_corrections_make_good_a_start_from_another_law():
    # So little noise was added that the circle is far from covered evenly.
    process = Brownian(CIRCLE, Linear(0.1, 1.0), first=0.01)

    def denoise(x, t, condition):
        return Score(wrapped_score(x - 1, 0.2 + process.variance(t)[:, None]))

    def miss(corrections):
        walk = GeodesicWalk(20, corrections, snr=0.5)
        x = draw(walk, denoise, process, N, generator())
        return math.exp(-0.1 - 0.001 / 2) - (x - 1).cos().mean().item()

    assert miss(0) > 0.05
    assert abs(miss(10)) < 0.02


@pytest.mark.parametrize(("corrections", "calls"), [(0, 5), (2, 13)])
def test_the_network_is_called_as_often_as_promised_and_never_at_the_end(corrections, calls):
    times = []

    def noted(x, t, condition):
        times.append(t[0].item())
        return wrapped_data(x, t, condition)

    draw(GeodesicWalk(5, corrections), noted, NOISING, 2, generator())
    assert len(times) == calls
    assert min(times) > 0.1  # the grid ends at 0.01


class Noted(nn.Module):
    """Says nothing, and notes when it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.zero, self.times = nn.Parameter(torch.zeros(())), []

    def forward(self, noisy, t):
        self.times += t.unique().tolist()
        return self.zero * noisy


@pytest.mark.parametrize("corrections", [0, 1, 2])
def test_corrections_are_made_at_the_time_that_a_step_has_come_to(corrections):
    prior = Denoiser(Noted(), NOISING, DenoisingScoreMatching())
    prior.sample(3, {}, GeodesicWalk(4, corrections), generator())
    start, end = NOISING.span
    grid = torch.linspace(start, end, 5)[:4].tolist()  # nothing is asked at the end
    expected = grid[:1] + [t for t in grid[1:] for _ in range(corrections + 1)]
    assert prior.backbone.times == pytest.approx(expected)


def test_a_sample_with_its_own_generator_ignores_its_neighbours():
    def sample(indices):
        own = sample_generators(5, indices)
        walk = GeodesicWalk(6, corrections=2)
        return draw(walk, wrapped_data, NOISING, len(indices), own)

    parts = torch.cat([sample([0, 1]), sample([2]), sample([3])])
    assert_close(sample([0, 1, 2, 3]), parts, rtol=0, atol=0)


@pytest.mark.parametrize("wrong", [(0, 0), (1, -1)])
def test_no_steps_are_refused(wrong):
    with pytest.raises(ValueError, match="1 step or more and 0 corrections or more"):
        GeodesicWalk(*wrong)
