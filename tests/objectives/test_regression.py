"""The algebra of targets, and losses known in closed form for Gaussian data."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ldm.objectives import Regression
from ldm.processes import (
    Denoised,
    GaussianDiffusion,
    LinearFlow,
    TrigonometricFlow,
    VariancePreservingFlow,
)
from ldm.randomness import sample_generators
from ldm.spaces import Flat, PointSet
from ldm.tensors import like

SPACE = Flat([4, 5])
FLOW, DIFFUSION = LinearFlow(SPACE), GaussianDiffusion(SPACE, "cosine")
MEAN, STD = 0.5, 0.3  # of the Gaussian data


def pair(n: int = 2) -> torch.Tensor:
    """Clean latents and noise."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, n, *SPACE.shape, generator=generator, dtype=torch.float64)


def gaussian(n: int) -> torch.Tensor:
    return MEAN + STD * torch.randn(n, *SPACE.shape, generator=torch.Generator().manual_seed(1))


def scales(process, target, t, x):
    """alpha, sigma and the target's a, b, written out from the papers."""
    alpha, sigma = process.alpha_sigma(t)
    one, zero = torch.ones_like(alpha), torch.zeros_like(alpha)
    a, b = {
        "eps": (zero, one),
        "x0": (one, zero),
        "v": (-sigma, alpha),
        "velocity": (one, -one),
    }[target]
    return [like(scale, x) for scale in (alpha, sigma, a, b)]


def optimal(process, target):
    """The network that knows the data: both conditional expectations are linear in the input."""

    def predict(noisy, t):
        alpha, sigma, a, b = scales(process, target, t, noisy)
        surprise = (noisy - alpha * MEAN) / (alpha**2 * STD**2 + sigma**2)
        return a * (MEAN + alpha * STD**2 * surprise) + b * sigma * surprise

    return predict


@given(t=st.floats(1e-3, 1 - 1e-3), target=st.sampled_from(["eps", "x0", "v", "velocity"]))
def test_every_target_leads_back_to_latent_and_noise_of_a_flow(t, target):
    x0, eps = pair()
    times = torch.full((2,), t, dtype=torch.float64)
    _, _, a, b = scales(FLOW, target, times, x0)
    found = Regression(target).read(a * x0 + b * eps, FLOW, FLOW.mix(x0, eps, times), times)
    torch.testing.assert_close(found, (x0, eps), rtol=1e-9, atol=1e-9)


@given(t=st.integers(0, 999), target=st.sampled_from(["eps", "x0", "v"]))
def test_every_target_leads_back_to_latent_and_noise_of_a_diffusion(t, target):
    x0, eps = pair()
    times = torch.tensor([t, t])
    alpha, sigma, a, b = scales(DIFFUSION, target, times, x0)
    noisy = DIFFUSION.mix(x0, eps, times)
    found = Regression(target).read(a * x0 + b * eps, DIFFUSION, noisy, times)
    # Float64 loses as many digits as alpha or sigma is small: 5e-5 is the least here.
    worst = 1e-14 / min(alpha.min().item(), sigma.min().item())
    torch.testing.assert_close(found, (x0, eps), rtol=worst, atol=worst)


@given(t=st.floats(0, 1))
def test_v_and_velocity_are_well_conditioned_to_the_very_ends(t):
    x0, eps = pair()
    times = torch.full((2,), t, dtype=torch.float64)
    noisy = FLOW.mix(x0, eps, times)
    for target in ("v", "velocity"):
        _, _, a, b = scales(FLOW, target, times, x0)
        found = Regression(target).read(a * x0 + b * eps, FLOW, noisy, times)
        torch.testing.assert_close(found, (x0, eps), rtol=1e-12, atol=1e-12)


@given(t=st.floats(1e-2, 1 - 1e-2))
def test_velocity_and_score_of_gaussian_data_are_sits(t):
    # SiT with data N(0, s^2): v* = (t s^2 - (1 - t)) x / c and score = -x / c, where
    # c = t^2 s^2 + (1 - t)^2; and the score is (t v - x) / (1 - t).
    x, _ = pair()
    times = torch.full((2,), t, dtype=torch.float64)
    c = t**2 * STD**2 + (1 - t) ** 2
    v = (t * STD**2 - (1 - t)) / c * x
    x0, eps = Regression("velocity").read(v, FLOW, x, times)
    torch.testing.assert_close(x0, t * STD**2 / c * x)
    score = -eps / (1 - t)
    torch.testing.assert_close(score, -x / c)
    torch.testing.assert_close(score, (t * v - x) / (1 - t))


def test_the_best_velocity_network_loses_pi_s_over_2():
    # Var(v | x_t) = s^2 / (t^2 s^2 + (1 - t)^2), whose integral over t is an arctangent.
    loss = Regression("velocity").loss(
        optimal(FLOW, "velocity"), FLOW, gaussian(40_000), {}, torch.Generator().manual_seed(2)
    )
    error = loss.std().item() / 200
    assert loss.mean().item() == pytest.approx(math.pi * STD / 2, abs=4 * error)
    assert error < 0.01


@pytest.mark.parametrize("target", ["eps", "x0", "v"])
def test_the_best_diffusion_network_loses_the_conditional_variance(target):
    # Var(a x0 + b eps | alpha x0 + sigma eps) = (alpha b - sigma a)^2 s^2 / (alpha^2 s^2 + sigma^2)
    process = GaussianDiffusion(SPACE, "linear", steps=100, end=0.2)
    t = torch.arange(100)
    alpha, sigma, a, b = scales(process, target, t, torch.zeros(100, dtype=torch.float64))
    expected = ((alpha * b - sigma * a) ** 2 * STD**2 / (alpha**2 * STD**2 + sigma**2)).mean()
    loss = Regression(target).loss(
        optimal(process, target), process, gaussian(40_000), {}, torch.Generator().manual_seed(3)
    )
    error = loss.std().item() / 200
    assert loss.mean().item() == pytest.approx(expected.item(), abs=4 * error)
    assert error < 0.02 * expected


@pytest.mark.parametrize(
    ("process", "target", "expected"),
    [
        (DIFFUSION, "eps", 1.0),  # LDM and DiT at their zero initialisation
        (FLOW, "velocity", STD**2 + MEAN**2 + 1),  # SiT: E x1^2 + 1, 2 on normalised latents
        (FLOW, "x0", STD**2 + MEAN**2),
    ],
)
def test_a_network_that_says_zero_loses_the_targets_second_moment(process, target, expected):
    loss = Regression(target).loss(
        lambda noisy, t: torch.zeros_like(noisy),
        process,
        gaussian(20_000),
        {},
        torch.Generator().manual_seed(4),
    )
    assert loss.mean().item() == pytest.approx(expected, abs=4 * loss.std().item() / 20_000**0.5)


def test_the_absolute_error_of_zero_is_that_of_normal_noise():
    latent = torch.zeros(4000, *SPACE.shape)
    objective = Regression("eps", absolute=True)
    generator = torch.Generator().manual_seed(0)
    loss = objective.loss(lambda x, t: torch.zeros_like(x), DIFFUSION, latent, {}, generator)
    assert loss.mean().item() == pytest.approx(math.sqrt(2 / math.pi), abs=0.01)
    error = torch.tensor([[-2.0, 0.5]]).requires_grad_()
    given = error, GaussianDiffusion(Flat([2])), torch.zeros(1, 2), torch.zeros(1, 2)
    found = objective.squared_error(*given, torch.zeros(1, 2), torch.tensor([5]))
    assert found.item() == 1.25
    assert torch.autograd.grad(found, error)[0].tolist() == [[-0.5, 0.5]]


def test_channels_beyond_the_latents_change_nothing():
    objective, latent = Regression("eps"), gaussian(6)

    def loss(extra):
        return objective.loss(
            lambda noisy, t: torch.cat([noisy, extra.expand_as(noisy)], 1),
            DIFFUSION,
            latent,
            {},
            torch.Generator().manual_seed(5),
        )

    torch.testing.assert_close(loss(torch.tensor(1e9)), loss(torch.tensor(0.0)), rtol=0, atol=0)
    t = torch.arange(6)
    torch.testing.assert_close(
        objective.read(torch.cat([latent, 1e9 + latent], 1), DIFFUSION, latent, t),
        objective.read(latent, DIFFUSION, latent, t),
    )


def test_a_loss_is_a_samples_own():
    objective, latent = Regression("v"), gaussian(4)

    def loss(part):
        return objective.loss(
            lambda noisy, t: noisy, DIFFUSION, latent[part], {}, sample_generators(0, part)
        )

    parts = torch.cat([loss([0]), loss([1, 2, 3])])
    torch.testing.assert_close(loss([0, 1, 2, 3]), parts)


def test_the_network_reads_the_condition():
    seen = {}

    def predict(noisy, t, **condition):
        seen.update(condition)
        return noisy

    label = torch.tensor([3, 4])
    Regression("eps").loss(predict, DIFFUSION, gaussian(2), {"label": label})
    assert seen == {"label": label}


def test_an_unknown_target_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'noise': choose one of eps, x0, v, score, velocity"):
        Regression("noise")


@pytest.mark.parametrize(
    "flow",
    [LinearFlow(SPACE), TrigonometricFlow(SPACE), VariancePreservingFlow(SPACE)],
    ids=lambda flow: type(flow).__name__,
)
def test_velocity_noise_and_score_are_one_anothers_conversions(flow):
    # SiT: s = (alpha / alpha' v - x) / (sigma^2 - alpha / alpha' sigma' sigma), eps = -sigma s.
    x, v = pair()
    t = torch.tensor([0.2, 0.7], dtype=torch.float64)
    alpha, sigma, rate, fall = (
        like(scale, x) for scale in (*flow.alpha_sigma(t), *flow.alpha_sigma_rate(t))
    )
    score = (alpha / rate * v - x) / (sigma**2 - alpha / rate * fall * sigma)
    outputs = {"velocity": v, "score": score, "eps": -sigma * score}
    for target, output in outputs.items():
        found = Regression(target).read(output, flow, x, t)
        torch.testing.assert_close(flow.velocity(found, x, t), v)
        torch.testing.assert_close(flow.score(found, x, t), score)


def test_losses_of_noise_and_score_are_sits_with_every_weight():
    flow, (latent, noise) = TrigonometricFlow(SPACE, train_eps=1e-3), pair()
    t = torch.tensor([0.2, 0.7], dtype=torch.float64)
    flow.random_times = lambda n, generator, device: t
    eps = SPACE.random(2, sample_generators(7, [0, 1]), dtype=torch.float64)
    sigma, rate = flow.alpha_sigma(t)[1], flow.noising_rate(t)
    squares = (noise - eps).square().flatten(1).mean(1)
    weights = {None: 1.0, "velocity": (rate / sigma) ** 2, "likelihood": rate / sigma**2}
    for weighting, weight in weights.items():
        for target, output in (("eps", noise), ("score", -noise / like(sigma, noise))):
            generators = sample_generators(7, [0, 1])
            objective = Regression(target, weighting=weighting)
            found = objective.loss(lambda x, t, out=output: out, flow, latent, {}, generators)
            torch.testing.assert_close(found, weight * squares)
    # An error of noise that is weighted so is one of the velocity.
    velocity = flow.velocity(Denoised(latent + 0 * eps, eps), latent, t)
    noisy = flow.mix(latent, eps, t)
    wrong = Regression("eps").read(noise, flow, noisy, t)
    error = flow.velocity(wrong, noisy, t) - velocity
    torch.testing.assert_close(error.square().flatten(1).mean(1), weights["velocity"] * squares)


def test_the_direction_loss_is_zero_where_channels_are_collinear_and_one_at_zero_output():
    flow, latent = LinearFlow(SPACE), gaussian(3)
    plain, both = Regression("velocity"), Regression("velocity", direction=0.5)

    def extra(network):
        losses = (
            each.loss(network, flow, latent, {}, sample_generators(1, range(3)))
            for each in (both, plain)
        )
        return next(losses) - next(losses)

    flow.random_times = lambda n, generator, device: torch.tensor([0.1, 0.5, 0.9])
    eps = SPACE.random(3, sample_generators(1, range(3)))
    torch.testing.assert_close(extra(lambda x, t: 3 * (latent - eps)), torch.zeros(3))
    torch.testing.assert_close(extra(lambda x, t: -(latent - eps)), torch.ones(3))
    torch.testing.assert_close(extra(lambda x, t: torch.zeros_like(x)), torch.full((3,), 0.5))


def test_weights_and_directions_that_do_not_apply_are_refused():
    with pytest.raises(ValueError, match=r"of the targets eps, score: got 'velocity' of 'x0'"):
        Regression("x0", weighting="velocity")
    with pytest.raises(ValueError, match="GaussianDiffusion has no velocity"):
        Regression("eps", weighting="likelihood").check(DIFFUSION)
    with pytest.raises(ValueError, match="directions are compared on a grid, not in"):
        Regression("velocity", direction=1.0).check(LinearFlow(PointSet(4, 3, 1)))


def test_a_diffusion_has_no_velocity_to_learn():
    with pytest.raises(ValueError, match="GaussianDiffusion has no velocity: predict eps, x0 or v"):
        Regression("velocity").loss(lambda noisy, t: noisy, DIFFUSION, gaussian(2), {})


def test_a_flow_cannot_start_from_its_noise_alone():
    with pytest.raises(
        ValueError, match="x0 cannot be recovered from eps at pure noise, where sampling a Lin"
    ):
        Regression("eps").check(FLOW)
    for target in ("x0", "v", "velocity"):
        Regression(target).check(FLOW)
    for target in ("eps", "x0", "v"):
        Regression(target).check(DIFFUSION)


def test_its_check_leaves_processes_as_they_are_where_models_are_built_without_numbers():
    with torch.device("meta"):
        Regression("v").check(process := GaussianDiffusion(SPACE, "cosine"))
    assert process.alpha_bar.device.type == "cpu"
