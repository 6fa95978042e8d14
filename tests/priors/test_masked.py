"""Priors on a subspace that a mask changes: every step stays there, and padding counts nothing."""

import math
from functools import partial

import diffusers
import pytest
import torch
from modalities.centred_sets import CentredSets
from torch import nn
from torch.testing import assert_close

from ldm.conditioning import Conditioning, Labels
from ldm.objectives import (
    BridgeMatching,
    DenoisingScoreMatching,
    FlowMatching,
    ImplicitScoreMatching,
    Regression,
)
from ldm.priors import Denoiser
from ldm.processes import (
    Denoised,
    DiffusionMixture,
    GaussianDiffusion,
    GeodesicFlow,
    Langevin,
    LinearFlow,
    OrnsteinUhlenbeck,
    PremetricFlow,
)
from ldm.processes.rates import Linear
from ldm.randomness import sample_generators
from ldm.samplers import (
    DDIM,
    DDPM,
    PLMS,
    AdaptiveODE,
    DiffusersScheduler,
    EulerODE,
    GeodesicWalk,
    Guidance,
    HeunODE,
    Likelihood,
)
from ldm.spaces import Flat
from ldm.spaces.premetric import GeodesicDistance

SPACE = CentredSets(5)
MASK = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]).bool()
CONTEXT = {"mask": MASK, "label": torch.tensor([0, 1, 0])}
SCHEDULERS = ["DPMSolverMultistep", "UniPCMultistep", "EulerDiscrete"]
SCHEDULERS += ["HeunDiscrete"]


class Sets(nn.Module):
    """A small network of places; it says anything in padding, and has no mean of zero.

    `outputs` times as many features as it reads.
    """

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2 * outputs))
        self.seen = []

    def forward(self, noisy, t, label, mask):
        self.seen.append((noisy, mask))
        mean = (noisy * mask[..., None]).sum(1, keepdim=True) / mask.sum(1)[:, None, None]
        told = torch.stack([t / (1000 if t.dtype == torch.int64 else 1), label], 1).to(noisy)
        told = torch.cat([mean.expand_as(noisy), told[:, None].expand_as(noisy)], 2)
        return torch.where(mask[..., None], self.layers(torch.cat([noisy, told], 2)), 1e3)


def prior(process, objective, space=SPACE, outputs=1) -> Denoiser:
    return Denoiser(Sets(outputs), process(space), objective, Conditioning(label=Labels(2, 0.3)))


LEARNERS = {
    "diffusion": partial(prior, GaussianDiffusion, Regression("v")),
    "linear": partial(prior, LinearFlow, Regression("velocity")),
    "score": partial(prior, partial(OrnsteinUhlenbeck, rate=Linear()), DenoisingScoreMatching()),
    "flow": partial(prior, GeodesicFlow, FlowMatching()),
    "premetric": partial(
        prior, partial(PremetricFlow, premetric=GeodesicDistance, steps=3), FlowMatching()
    ),
    "bridges": partial(
        prior, partial(DiffusionMixture, rate=Linear(0.2, 0.2)), BridgeMatching(), outputs=2
    ),
    "implicit": partial(prior, partial(Langevin, rate=Linear(), steps=3), ImplicitScoreMatching()),
}

SAMPLERS = [
    ("linear", EulerODE(6)),
    ("linear", HeunODE(6)),
    ("linear", AdaptiveODE()),
    ("flow", HeunODE(6)),
    ("score", GeodesicWalk(6, corrections=1)),
    ("bridges", GeodesicWalk(6)),
    *(
        (
            "diffusion",
            DiffusersScheduler(
                partial(getattr(diffusers, f"{name}Scheduler"), timestep_spacing="trailing"), 6
            ),
        )
        for name in SCHEDULERS
    ),
    *(("diffusion", sampler) for sampler in (DDIM(6), DDPM(6), DDIM(6, eta=1.0), PLMS(6))),
]


def named(part) -> str:
    if isinstance(part, str):
        return part
    return part.scheduler.func.__name__ if hasattr(part, "scheduler") else type(part).__name__


def assert_on_subspace(x: torch.Tensor, mask: torch.Tensor) -> None:
    assert not x[~mask].any()
    assert x.sum(1).abs().max() < 1e-4 * x.abs().max().clamp(min=1)
    assert x[mask].abs().min() > 0


def padded(x: torch.Tensor, places: int) -> torch.Tensor:
    rest = x.new_zeros(len(x), places - x.shape[1], *x.shape[2:])
    return torch.cat([x, rest], 1)


@pytest.mark.parametrize("name", LEARNERS)
def test_noise_is_drawn_in_the_subspace(name):
    process = LEARNERS[name]().process.on(CONTEXT)
    latent = process.space.random(3, torch.Generator().manual_seed(0))
    t = process.random_times(3, torch.Generator().manual_seed(1), "cpu")
    assert_on_subspace(process.noise(latent, t, torch.Generator().manual_seed(2)), MASK)
    assert_on_subspace(process.random(3), MASK)


@pytest.mark.parametrize("name", LEARNERS)
def test_the_loss_is_blind_to_padding_and_to_its_length(name):
    def loss(places, garbage):
        mask = padded(MASK, places)
        latent = padded(SPACE.on(CONTEXT).random(3, torch.Generator().manual_seed(0)), places)
        latent = torch.where(mask[..., None], latent, garbage)
        given, own = {**CONTEXT, "mask": mask}, sample_generators(1, range(3))
        return LEARNERS[name](space=CentredSets(places)).loss(latent, given, own)["loss"]

    expected = loss(5, 0.0)
    assert expected.min() > 0 or name == "implicit"
    assert_close(loss(5, 77.0), expected)
    assert_close(loss(8, -5.0), expected)


def test_the_loss_is_a_mean_over_what_is_present():
    flow = LinearFlow(SPACE).on(CONTEXT)
    latent = flow.space.random(3, torch.Generator().manual_seed(0))

    def worse(noisy, t):  # the right velocity, and 1 off at two places
        off = torch.tensor([1.0, -1.0, 0.0, 0.0, 0.0]).view(1, 5, 1)
        return (latent - noisy) / flow.alpha_sigma(t)[1].view(-1, 1, 1) + off

    own = torch.Generator().manual_seed(1)
    loss = Regression("velocity").loss(worse, flow, latent, {}, own)
    assert_close(loss, 2 / torch.tensor([3.0, 5.0, 2.0]), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("guidance", [None, Guidance(2.0)], ids=["plain", "guided"])
@pytest.mark.parametrize(("name", "sampler"), SAMPLERS, ids=named)
def test_every_step_of_every_sampler_stays_on_the_subspace(name, sampler, guidance):
    model = LEARNERS[name]()
    own = sample_generators(0, range(3))
    x = model.sample(3, CONTEXT, sampler, own, guidance)
    assert_on_subspace(x, MASK)
    seen = model.backbone.seen
    assert len(seen) >= 6
    for noisy, mask in seen:
        assert len(noisy) == (3 if guidance is None else 6)
        assert_on_subspace(noisy, mask)


# The adaptive solver looks at whole batches.
@pytest.mark.parametrize(
    ("name", "sampler"),
    [pair for pair in SAMPLERS if named(pair[1]) != "AdaptiveODE"],
    ids=named,
)
def test_samples_do_not_depend_on_the_length_of_the_padding(name, sampler):
    def sample(places):
        given, own = {**CONTEXT, "mask": padded(MASK, places)}, sample_generators(3, range(3))
        return LEARNERS[name](space=CentredSets(places)).sample(
            3, given, sampler, own, Guidance(1.5)
        )

    assert_close(padded(sample(5), 9), sample(9), rtol=1e-4, atol=1e-5)


def test_an_inverted_sample_comes_back_to_the_subspace():
    model = LEARNERS["linear"]()
    latent = SPACE.on(CONTEXT).random(3, torch.Generator().manual_seed(0), dtype=torch.float64)
    model.double()
    solver = AdaptiveODE(1e-8, 1e-8)
    noise = model.transport(latent + 7 * ~MASK[..., None], CONTEXT, solver, span=(1.0, 0.0))
    assert_on_subspace(noise, MASK)
    assert_close(model.transport(noise, CONTEXT, solver), latent, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "options", [{"steps": 100}, {"tolerance": 1e-6}, {"exact": False}], ids=str
)
def test_the_likelihood_of_gaussian_data_is_that_of_the_right_dimension(options):
    std, flow = 0.3, LinearFlow(SPACE).on(CONTEXT)

    def denoise(x, t, condition):
        t = t[:, None, None]
        surprise = x / (t**2 * std**2 + (1 - t) ** 2)
        return Denoised(t * std**2 * surprise, (1 - t) * surprise)

    x = std * flow.space.random(3, torch.Generator().manual_seed(0), dtype=torch.float64)
    found = Likelihood(**options)(denoise, flow, x, {}, torch.Generator().manual_seed(0))
    dim = 2 * (MASK.sum(1) - 1)
    square = x.square().flatten(1).sum(1) / std**2
    expected = -square / 2 - dim / 2 * math.log(2 * math.pi * std**2)
    assert_close(found.log_density, expected, rtol=0, atol=5e-3)
    assert_close(found.base_point, x / std, rtol=0, atol=5e-3)


def test_the_likelihood_does_not_depend_on_padding():
    latent = SPACE.on(CONTEXT).random(3, torch.Generator().manual_seed(0), dtype=torch.float64)

    def log_prob(places, garbage):
        mask = padded(MASK, places)
        x = torch.where(mask[..., None], padded(latent, places), garbage)
        model = LEARNERS["linear"](space=CentredSets(places)).double()
        return model.log_prob(x, {**CONTEXT, "mask": mask}, Likelihood(steps=10))

    assert_close(log_prob(8, 3.0), log_prob(5, 0.0))


def test_processes_are_bound_with_all_that_is_made_from_their_space():
    for name in ("flow", "premetric", "bridges"):
        process = LEARNERS[name]().process
        view = process.on(CONTEXT)
        assert view.space.mask is MASK
        assert process.space.mask is None
        part = view.base if name == "flow" else view.premetric.space
        assert part is view.space
    assert LinearFlow(Flat([2])).on(CONTEXT).space.shape == (2,)
    flat = GeodesicFlow(Flat([2]), base=lambda space: space)
    assert flat.on(CONTEXT) is flat


def test_normalisation_leaves_padding_out_and_at_zero():
    view = SPACE.on(CONTEXT)
    x = view.random(3, torch.Generator().manual_seed(0))
    assert view.features(x).shape == (2, 10)
    mean, std = view.features(x).mean(1), view.features(x).std(1, correction=0)
    shift, scale = view.moments(mean, std)
    normal = view.affine(x, 1 / scale, -shift / scale)
    assert_on_subspace(normal, MASK)
    assert_close(view.features(normal).std(1, correction=0), torch.ones(2))
    assert_close(view.affine(normal, scale, shift), x)
