"""Guidance is linear, complete, confined to its interval, and blind to the prediction type."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ldm.objectives import Regression
from ldm.processes import (
    Brownian,
    Denoised,
    DenoisedVariance,
    DiffusionMixture,
    Drifts,
    GaussianDiffusion,
    GeodesicFlow,
    LinearFlow,
    Score,
    Velocity,
)
from ldm.processes.rates import Linear
from ldm.samplers import Guidance
from ldm.spaces import Flat, Sphere
from ldm.tensors import like

SPACE = Flat([6, 4])
FLOW, DIFFUSION = LinearFlow(SPACE), GaussianDiffusion(SPACE)
LABELS = {"label": torch.tensor([0, 1, 2])}
NOISY = torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TIMES = torch.tensor([100, 500, 900])


def null(condition):
    return {"label": torch.full_like(condition["label"], 3)}


def denoise(noisy, t, condition):
    """Nonlinear in the latent, other for each label, channel and sample."""
    shift = like(1.0 + condition["label"], noisy) * torch.arange(6).view(1, 6, 1)
    eps = torch.tanh(noisy + shift / 5)
    alpha, sigma = (like(scale, noisy) for scale in DIFFUSION.alpha_sigma(t))
    return Denoised((noisy - sigma * eps) / alpha, eps)


def guided(scale, noisy=NOISY, t=TIMES, **options):
    return Guidance(scale, **options)(denoise, null, DIFFUSION)(noisy, t, LABELS)


def close(found, expected):
    torch.testing.assert_close(tuple(found), tuple(expected))


def test_scale_one_is_the_conditional_and_zero_the_unconditional_model():
    close(guided(1.0), denoise(NOISY, TIMES, LABELS))
    close(guided(0.0), denoise(NOISY, TIMES, null(LABELS)))
    assert not Guidance(1.0).active
    assert Guidance(0.0).active


@settings(max_examples=25)
@given(scale=st.floats(-3, 10, width=32))
def test_it_is_linear_in_its_scale_on_every_channel(scale):
    conditional, unconditional = denoise(NOISY, TIMES, LABELS), denoise(NOISY, TIMES, null(LABELS))
    expected = [u + scale * (c - u) for c, u in zip(conditional, unconditional, strict=True)]
    close(guided(scale), expected)


def test_no_channel_is_left_out():
    moved = (guided(3.0).eps - guided(1.0).eps).abs().amin(dim=(0, 2))
    assert (moved[1:] > 1e-3).all()  # the first channel of `denoise` ignores the label
    assert moved[0] == 0


def test_the_first_channels_alone_are_guided_as_dit_does():
    found, whole, told = guided(4.0, channels=3), guided(4.0), denoise(NOISY, TIMES, LABELS)
    for part, all_of_it, conditional in zip(found, whole, told, strict=True):
        torch.testing.assert_close(part[:, :3], all_of_it[:, :3])
        torch.testing.assert_close(part[:, 3:], conditional[:, 3:])
    close(guided(4.0, channels=9), whole)


def test_variances_stay_those_of_the_conditional_model():
    def spread(noisy, t, condition):
        found = denoise(noisy, t, condition)
        share = like(condition["label"].double(), noisy).expand_as(noisy)
        return DenoisedVariance(*found, share)

    found = Guidance(3.0)(spread, null, DIFFUSION)(NOISY, TIMES, LABELS)
    close(found[:2], guided(3.0))
    assert torch.equal(found.share, spread(NOISY, TIMES, LABELS).share)


def test_a_weaker_prior_stands_for_the_unconditional_model():
    class Bad:
        process = DIFFUSION
        prior = property(lambda self: self)

        def denoise(self, noisy, t, condition):
            x0, eps = denoise(noisy, t, condition)
            return Denoised(x0 + 1, eps - 2)

    good, bad = denoise(NOISY, TIMES, LABELS), Bad().denoise(NOISY, TIMES, LABELS)
    found = guided(3.0, weak=Bad())
    close(found, [b + 3 * (g - b) for g, b in zip(good, bad, strict=True)])
    Bad.process = GaussianDiffusion(Flat([6, 5]))
    with pytest.raises(ValueError, match=r"guidance.weak is a prior of a GaussianDiffusion in Fl"):
        guided(3.0, weak=Bad())


def test_outside_its_times_the_model_is_the_conditional_one():
    found, everywhere = guided(4.0, times=(500, 800)), guided(4.0)
    nowhere = denoise(NOISY, TIMES, LABELS)
    for i, expected in enumerate((nowhere, everywhere, nowhere)):
        close([part[i] for part in found], [part[i] for part in expected])


@pytest.mark.parametrize("target", ["eps", "x0", "v"])
def test_guiding_the_networks_own_output_is_the_same(target):
    objective, scale = Regression(target), 2.5

    def output(condition):
        x0, eps = denoise(NOISY, TIMES, condition)
        alpha, sigma = (like(scale, NOISY) for scale in DIFFUSION.alpha_sigma(TIMES))
        return {"eps": eps, "x0": x0, "v": alpha * eps - sigma * x0}[target]

    mixed = torch.lerp(output(null(LABELS)), output(LABELS), scale)
    found, expected = guided(scale), objective.read(mixed, DIFFUSION, NOISY, TIMES)
    # The scales of v are in float32, so their squares add up to 1 only so far.
    torch.testing.assert_close(tuple(found), tuple(expected), rtol=1e-5, atol=1e-5)


def test_outside_its_interval_the_model_is_the_conditional_one():
    alpha, sigma = DIFFUSION.alpha_sigma(TIMES)
    level = (sigma / alpha).tolist()
    found = guided(4.0, interval=(level[0], level[1]))  # open below and closed above
    everywhere, nowhere = guided(4.0), denoise(NOISY, TIMES, LABELS)
    for i, expected in enumerate((nowhere, everywhere, nowhere)):
        close([part[i] for part in found], [part[i] for part in expected])


def test_steps_outside_the_interval_cost_one_pass_and_inside_two():
    rows = []

    def counted(noisy, t, condition):
        rows.append(len(noisy))
        return denoise(noisy, t, condition)

    model = Guidance(4.0, interval=(0.5, 2.0))(counted, null, DIFFUSION)
    for step in (10, 300, 990):
        model(NOISY, torch.full((3,), step), LABELS)
    assert rows == [3, 6, 3]


def test_it_acts_on_pure_noise_where_a_flow_begins():
    def constant(noisy, t, condition):
        value = like(condition["label"].float(), noisy).expand_as(noisy)
        return Denoised(value, value)

    start = torch.zeros(3)
    x0, _ = Guidance(2.0)(constant, null, FLOW)(NOISY, start, LABELS)
    torch.testing.assert_close(x0[:, 0, 0], torch.tensor([-3.0, -1, 1], dtype=torch.float64))


@pytest.mark.parametrize(
    "process",
    [
        Brownian(Sphere(2), Linear()),
        GeodesicFlow(Sphere(2)),
        DiffusionMixture(Sphere(2), Linear()),
    ],
    ids=lambda process: type(process).__name__,
)
def test_scores_velocities_and_drifts_are_guided_and_stay_tangent(process):
    kind = {Brownian: Score, GeodesicFlow: Velocity, DiffusionMixture: Drifts}[type(process)]
    sphere = process.space

    def fields(noisy, t, condition):
        push = like(1.0 + condition["label"], noisy) * noisy.roll(1, 1)
        tangent = sphere.tangent(noisy, push)
        return kind(*(sign * tangent for sign in (1, -1)[: len(kind._fields)]))

    x, t = sphere.random(3, dtype=torch.float64), torch.tensor([0.1, 0.5, 0.9])
    found = Guidance(2.0)(fields, null, process)(x, t, LABELS)
    assert type(found) is kind
    conditional, unconditional = fields(x, t, LABELS), fields(x, t, null(LABELS))
    close(found, [2 * c - u for c, u in zip(conditional, unconditional, strict=True)])
    for field in found:
        torch.testing.assert_close(sphere.tangent(x, field), field)


@pytest.mark.parametrize("interval", [(2.0, 1.0), (-1.0, 1.0), (1.0, 1.0)])
def test_an_empty_interval_is_refused(interval):
    with pytest.raises(ValueError, match=r"guidance.interval must be 0 <= low < high, got"):
        Guidance(2.0, interval)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"times": (0.5, 0.5)}, r"guidance.times must be first < last, got \[0.5, 0.5\]"),
        ({"channels": 0}, "guidance.channels must be 1 or more, or null, got 0"),
    ],
)
def test_times_and_channels_that_guide_nothing_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Guidance(2.0, **options)
