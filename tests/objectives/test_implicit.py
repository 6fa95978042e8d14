"""Implicit score matching against its closed forms, and against denoising score matching."""

import math

import pytest
import torch
from torch.testing import assert_close

from ldm.objectives import DenoisingScoreMatching, ImplicitScoreMatching
from ldm.processes import Brownian, Langevin
from ldm.processes.rates import Linear
from ldm.spaces import Flat, Hyperboloid, Rotations, Sphere, Torus

SPHERE = Sphere(2)


class Still(Brownian):
    """Noise that changes nothing, at a rate of one."""

    def __init__(self, space) -> None:
        super().__init__(space, Linear(1.0, 1.0))

    def noise(self, latent, t, generator=None):
        return latent


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("space", [Torus(2), Sphere(1), SPHERE, Rotations()], ids=repr)
def test_its_gradient_is_half_that_of_denoising(space):
    process, n = Brownian(space, Linear(0.5, 2.0), first=0.2), 3000
    latent = space.random(1, generator(), dtype=torch.float64).expand(n, *space.shape)
    size = math.prod(space.shape)
    start = torch.randn(size, size, generator=generator(1), dtype=torch.float64)

    def derivatives(objective):
        def of(weights):
            def predict(x, t):
                return 4 * (x.flatten(1).sin() @ weights).tanh().view_as(x)  # periodic, for angles

            return objective.loss(predict, process, latent, {}, generator(2))

        return torch.func.jvp(of, (start,), (start,))[1]

    denoising, implicit = map(
        derivatives, (DenoisingScoreMatching(weight="rate"), ImplicitScoreMatching())
    )
    difference = denoising - 2 * implicit
    error = difference.std() / n**0.5
    assert difference.mean().abs() < 4 * error
    assert denoising.mean().abs() > 6 * error  # so that a gradient of another size would be seen


def test_the_true_score_has_minus_half_its_square_and_no_gradient():
    # Von Mises and Fisher's law, summed over a lattice.
    x, kappa = SPHERE.spread(4000), 5.0
    weights = (kappa * x[:, 2]).exp()
    weights = weights / weights.sum()
    up = torch.tensor([0.0, 0.0, 1.0], dtype=x.dtype)
    objective, process = ImplicitScoreMatching(), Still(SPHERE)

    def loss(slope):
        def predict(x, t):
            return slope * kappa * up * objective.scale_at(process, t)[:, None]

        return (weights * objective.loss(predict, process, x, {}, generator())).sum()

    # E |score|^2 = kappa^2 E sin^2 = 2 kappa (coth kappa - 1 / kappa).
    squared = 2 * kappa * (1 / math.tanh(kappa) - 1 / kappa)
    value, slope = loss(1.0).item(), (loss(1.5) - loss(0.5)).item()
    assert value == pytest.approx(-squared / 2, rel=1e-4)
    assert slope == pytest.approx(0, abs=1e-3)


def test_sliced_it_is_the_same_in_the_mean():
    process, n = Brownian(SPHERE, Linear(0.5, 2.0), first=0.2), 8000
    latent = SPHERE.random(n, generator(), dtype=torch.float64)
    exact, sliced = (
        ImplicitScoreMatching(sliced=sliced).loss(
            lambda x, t: x.roll(1, 1).sin() * 3, process, latent, {}, generator(1)
        )
        for sliced in (False, True)
    )
    difference = exact - sliced
    assert difference.std() > 0.1
    assert difference.mean().abs() < 4 * difference.std() / n**0.5


@pytest.mark.parametrize("space", [Flat([3]), Hyperboloid(2, 0.5)], ids=repr)
def test_silence_says_that_langevin_dynamics_are_in_their_reference_law(space):
    process, n = Langevin(space, Linear(1.0, 1.0), steps=20), 2000
    x = space.random(n, generator(), dtype=torch.float64)
    objective, t = ImplicitScoreMatching(), torch.full((n,), 0.5)
    zeros = torch.zeros_like(x)
    score = objective.read(zeros, process, x, t).score
    assert_close(score, 2 * process.forward_drift(x, t))
    loss = objective.loss(lambda x, t: torch.zeros_like(x), process, x, {}, generator(1))
    surprise = loss + space.inner(x, score, score) / 2  # the law stays, so only in the mean
    assert surprise.mean().abs() < 5 * surprise.std() / n**0.5


def test_weights_are_learned_through_the_divergence():
    gain = torch.ones((), requires_grad=True)
    process, latent = Brownian(SPHERE, Linear()), SPHERE.random(4, generator())
    loss = ImplicitScoreMatching().loss(lambda x, t: gain * x.roll(1, 1), process, latent, {})
    loss.mean().backward()
    assert gain.grad.isfinite()
    assert gain.grad != 0


def test_unknown_words_are_refused():
    with pytest.raises((ValueError, TypeError), match="one"):
        ImplicitScoreMatching(scale="one")


def test_one_probe_of_a_field_that_is_linear_in_each_coordinate_is_exact():
    # Signs have squares of 1: s D s = tr D for any of them.
    space, diagonal = Torus(4), torch.tensor([1.0, -2.0, 0.5, 3.0])

    def predict(x, t):
        return x * diagonal

    latent = space.random(50, generator())
    whole, sliced = (
        ImplicitScoreMatching(sliced=sliced).loss(predict, Still(space), latent, {}, generator(1))
        for sliced in (False, True)
    )
    assert_close(sliced, whole, rtol=1e-4, atol=1e-4)
