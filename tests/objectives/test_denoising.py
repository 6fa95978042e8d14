"""Denoising score matching: its target, its weights, and what it refuses."""

import pytest
import torch
from torch.testing import assert_close

from ldm.objectives import DenoisingScoreMatching
from ldm.priors import Denoiser
from ldm.processes import Brownian, GeodesicFlow, Langevin
from ldm.processes.rates import Geometric, Linear
from ldm.spaces import Hyperboloid, Space, Sphere, Torus
from ldm.spaces.heat_kernels.circle import wrapped_score

CIRCLE, SPHERE = Torus(1), Sphere(2)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def loss_of(score, process, latent, **options):
    """Losses of a network that outputs the given score in the units that are read."""
    objective = DenoisingScoreMatching(**options)

    def predict(x, t):
        return score(x, t) * objective.scale_at(process, t)[:, None]

    return objective.loss(predict, process, latent, {}, generator(1))


@pytest.mark.parametrize("scale", ["sigma", "std"])
@pytest.mark.parametrize("weight", ["scale", "rate"])
def test_the_score_of_the_law_of_noisy_data_has_the_least_loss(scale, weight):
    # Data of a wrapped normal law: noisy, they are of another one.
    process, n, variance = Brownian(CIRCLE, Linear(0.1, 4.0), first=0.05), 20_000, 0.3
    latent = CIRCLE.project(
        1 + variance**0.5 * torch.randn(n, 1, generator=generator(), dtype=torch.float64)
    )

    def score(slope):
        def scaled(x, t):
            return slope * wrapped_score(x - 1, variance + process.variance(t)[:, None])

        return loss_of(scaled, process, latent, scale=scale, weight=weight)

    # A parabola in the slope, so its derivative at 1 is a difference of its values.
    derivative = score(1.5) - score(0.5)
    assert derivative.mean().abs() < 4 * derivative.std() / n**0.5
    assert score(1.0).mean() < score(0.7).mean()


def test_of_a_single_datum_the_kernels_own_score_has_no_loss():
    process, latent = Brownian(SPHERE, Linear(0.1, 4.0)), SPHERE.random(1, generator()).double()
    latent = SPHERE.project(latent).expand(50, 3)

    def score(x, t):
        return SPHERE.heat_kernel.score(x, latent, process.variance(t).double())

    assert loss_of(score, process, latent).max() < 1e-20


def test_the_loss_of_silence_is_the_dimension_while_little_noise_was_added():
    process, n = Brownian(SPHERE, Geometric(1e-3, 2e-3)), 4000
    latent = SPHERE.random(n, generator(), dtype=torch.float64)
    loss = loss_of(lambda x, t: torch.zeros_like(x), process, latent, scale="sigma")
    assert loss.mean().item() == pytest.approx(2, abs=4 * 2 / n**0.5)  # chi squared of 2


def test_weights_differ_by_the_rate_over_the_scale():
    process, latent = Brownian(SPHERE, Linear(0.1, 4.0)), SPHERE.random(9, generator())
    even, likely = (
        loss_of(lambda x, t: x.roll(1, 1), process, latent, weight=weight)
        for weight in ("scale", "rate")
    )
    t = process.random_times(9, generator(1), None)
    std = -torch.expm1(-process.variance(t))
    assert_close(likely, even * process.rate(t) / std)


def test_varadhans_target_is_the_limit_of_the_kernels_for_short_times():
    process, latent = Brownian(SPHERE, Linear(0.01, 0.01)), SPHERE.random(5, generator()).double()
    latent, t = SPHERE.project(latent), torch.full((5,), 0.1)
    x = process.noise(latent, t, generator())
    kernel, varadhan = (
        DenoisingScoreMatching(target=target).transition_score(process, x, latent, t)
        for target in ("kernel", "varadhan")
    )
    assert_close(varadhan, kernel, rtol=1e-3, atol=1e-3)
    assert_close(varadhan, SPHERE.log(x, latent) / 1e-3)


class Unknown(Sphere):
    """A sphere that nobody knows the heat kernel of."""

    heat_kernel = Space.heat_kernel


def test_processes_that_it_cannot_teach_are_refused_before_training():
    backbone, rate = torch.nn.Linear(3, 3), Linear()
    with pytest.raises(
        ValueError, match="Langevin dynamics is not known: set the objective to Imp"
    ):
        Denoiser(backbone, Langevin(Hyperboloid(2), rate), DenoisingScoreMatching())
    walk = Brownian(Unknown(2), rate, steps=5)
    with pytest.raises(ValueError, match="not known in closed form"):
        Denoiser(backbone, walk, DenoisingScoreMatching())
    Denoiser(backbone, walk, DenoisingScoreMatching(target="varadhan"))
    with pytest.raises(ValueError, match=r"GeodesicFlow asks for a Velocity, but .* a Score"):
        Denoiser(backbone, GeodesicFlow(SPHERE), DenoisingScoreMatching())


@pytest.mark.parametrize("wrong", [{"scale": "one"}, {"weight": "one"}, {"target": "one"}])
def test_unknown_words_are_refused(wrong):
    with pytest.raises((ValueError, TypeError), match="one"):
        DenoisingScoreMatching(**wrong)


def test_an_output_of_another_shape_is_refused():
    process, latent = Brownian(SPHERE, Linear()), SPHERE.random(2)
    with pytest.raises(ValueError, match=r"network gives \(1,\) for points of \(3,\)"):
        DenoisingScoreMatching().loss(lambda x, t: x[:, :1], process, latent, {})
