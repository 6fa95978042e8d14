"""A known part is kept exactly, and the rest is distributed as it is given that part."""

from functools import partial

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler

from ldm.processes import (
    Brownian,
    Denoised,
    DiffusionMixture,
    Drift,
    GaussianDiffusion,
    GeodesicFlow,
    Langevin,
    LatticeBridge,
    LinearFlow,
    OrnsteinUhlenbeck,
    Score,
    Velocity,
)
from ldm.processes.rates import Linear
from ldm.randomness import sample_generators
from ldm.samplers import (
    DDIM,
    DDPM,
    AdaptiveODE,
    DiffusersScheduler,
    EulerMaruyama,
    EulerODE,
    GeodesicWalk,
    HeunODE,
    Inpainting,
)
from ldm.spaces import Flat, Lattice, PointSet, Sphere, Torus
from ldm.tensors import like

PAIR = torch.tensor([[1.0, 0.8], [0.8, 1.0]], dtype=torch.float64)


def correlated(process):
    """The optimal prediction for pairs of normal numbers of correlation 0.8."""

    def denoise(x, t, condition):
        alpha, sigma = (scale[0].double() for scale in process.alpha_sigma(t))
        noisy = alpha**2 * PAIR + sigma**2 * torch.eye(2)
        x0 = (x.double() @ torch.linalg.solve(noisy, alpha * PAIR)).to(x)
        return Denoised(x0, torch.where(sigma > 0, (x - alpha * x0) / sigma, 0).to(x))

    return denoise


def second_given_first(resamplings, n=4000):
    """The second numbers of pairs whose first one is 1.5."""
    process, kept = LinearFlow(Flat([2])), torch.tensor([[True, False]])
    sampler = Inpainting(EulerODE(6), torch.full((n, 2), 1.5), kept, resamplings, 0.4)
    own = torch.Generator().manual_seed(0)
    x = sampler(correlated(process), process, process.random(n, own), {}, own)
    assert (x[:, 0] == 1.5).all()
    return x[:, 1]


def test_with_resamplings_the_rest_is_distributed_as_the_conditional():
    alone, resampled = second_given_first(0), second_given_first(40)
    assert resampled.mean().item() == pytest.approx(0.8 * 1.5, abs=0.1)
    assert resampled.std().item() == pytest.approx(0.6, abs=0.04)
    assert alone.mean() < 0.7  # as replacement alone is known to be biased


def silent(kind):
    """A network that has learned nothing: all of its fields are zero."""
    return lambda x, t, condition: kind(*(torch.zeros_like(x) for _ in kind._fields))


SOLVER = partial(DPMSolverMultistepScheduler, timestep_spacing="trailing")
FLOW, DIFFUSION = LinearFlow(Flat([3, 4])), GaussianDiffusion(Flat([3, 4]), steps=20)
PLACES = torch.tensor([[[True, True, False, False]]])


@pytest.mark.parametrize(
    ("process", "sampler"),
    [
        (FLOW, EulerODE(4)),
        (FLOW, HeunODE(4)),
        (FLOW, AdaptiveODE(1e-2, 1e-2)),
        (DIFFUSION, DDPM(5)),
        (DIFFUSION, DDIM(5, eta=0.5)),
        (DIFFUSION, DiffusersScheduler(SOLVER, 5)),
        (OrnsteinUhlenbeck(Flat([3, 4]), Linear()), GeodesicWalk(4, corrections=1)),
        (LatticeBridge(Lattice([3, 4], 5, -2)), EulerMaruyama(4)),
    ],
    ids=lambda part: type(part).__name__,
)
def test_every_sampler_keeps_the_known_places_and_moves_the_others(process, sampler):
    space, asked = process.space, []

    def denoise(x, t, condition):
        asked.append(x)
        return silent(process.prediction)(x, t, condition)

    own = torch.Generator().manual_seed(0)
    known = space.project(space.random(2, own))
    found = Inpainting(sampler, known, PLACES, resamplings=2)(
        denoise, process, process.random(2, own), {}, own
    )
    kept = PLACES.expand_as(known)
    assert torch.equal(found[kept], known[kept])
    assert not (found == known)[~kept].all()
    # Not only at the end: what the network sees in the last step is already near.
    assert (asked[-1] - known)[kept].abs().max() < (asked[0] - known)[kept].abs().max()


@pytest.mark.parametrize(
    "process",
    [Brownian(Torus(3), Linear()), GeodesicFlow(Torus(3))],
    ids=lambda process: type(process).__name__,
)
def test_angles_of_a_torus_are_kept_one_by_one(process):
    kept, space = torch.tensor([[True, True, False]]), process.space
    own = torch.Generator().manual_seed(0)
    known = space.random(4, own)
    sampler = GeodesicWalk(5) if process.prediction is Score else EulerODE(5)
    kind = {Brownian: Score, GeodesicFlow: Velocity}[type(process)]
    found = Inpainting(sampler, known, kept, resamplings=1)(
        silent(kind), process, process.random(4, own), {}, own
    )
    space.check(found)
    torch.testing.assert_close(found[:, kept[0]], known[:, kept[0]])


MASK = torch.arange(6) < torch.tensor([[5], [6]])
KEPT = (torch.arange(6) < 3)[None, :, None].expand(2, -1, -1)


def fragments(own=None):
    """Molecules of five and six points that keep the first three, by a flow, and these three."""
    space = PointSet(6, 3, 2).on({"mask": MASK})
    process = LinearFlow(space)
    generator = torch.Generator().manual_seed(0)
    known = torch.where(KEPT, space.random(2, generator), 0)

    def denoise(x, t, condition):  # data whose points lie at (3, 3, 3), so the rest is pulled away
        x0 = space.project(torch.where(torch.arange(6)[:, None] > 2, 3.0, x))
        return Denoised(x0, (x - like(t, x) * x0) / like(1 - t, x))

    start = space.random(2, own or generator)
    sampler = Inpainting(EulerODE(6), known, KEPT, resamplings=2)
    return space, known, sampler(denoise, process, start, {}, own or generator)


def test_a_fragment_keeps_its_shape_and_features_and_the_whole_its_centre():
    space, known, found = fragments()
    space.check(found)
    distances = [torch.cdist(x[:, :3, :3], x[:, :3, :3]) for x in (found, known)]
    torch.testing.assert_close(*distances, atol=1e-5, rtol=0)
    torch.testing.assert_close(found[:, :3, 3:], known[:, :3, 3:])
    moved = (found - known)[:, :3, :3]  # the fragment is not turned, and lies where the rest asks
    torch.testing.assert_close(moved, moved.mean(1, keepdim=True).expand_as(moved))
    assert moved.norm(dim=2).min() > 1


def test_a_kept_fragment_does_not_depend_on_the_batch():
    both = fragments(sample_generators(0, [0, 1]))[2]
    again = fragments(sample_generators(0, [0, 7]))[2]
    torch.testing.assert_close(both[0], again[0], atol=0, rtol=0)
    assert not torch.equal(both[1], again[1])


@pytest.mark.parametrize(
    ("process", "kind", "message"),
    [
        (GeodesicFlow(Sphere(2)), Velocity, r"Sphere\(2\) are one piece, of which no part"),
        (DiffusionMixture(Torus(2), Linear()), None, "a DiffusionMixture cannot be led to data"),
        (Langevin(Flat([2]), Linear()), Score, "a Langevin cannot be led to data that are known"),
    ],
)
def test_what_cannot_be_kept_is_refused(process, kind, message):
    x = process.space.random(2)
    sampler = Inpainting(GeodesicWalk(2), x, torch.ones(1, dtype=torch.bool))
    with pytest.raises(ValueError, match=message):
        sampler(silent(kind or Drift), process, x, {})


def test_it_is_not_reversed():
    sampler = Inpainting(EulerODE(2), torch.zeros(2, 3, 4), PLACES)
    with pytest.raises(ValueError, match="cannot be reversed"):
        sampler(silent(Denoised), FLOW, torch.zeros(2, 3, 4), {}, span=(1.0, 0.0))


@pytest.mark.parametrize("options", [{"resamplings": -1}, {"strength": 0}, {"strength": 1.1}])
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="0 resamplings or more and a strength in"):
        Inpainting(EulerODE(2), torch.zeros(2, 3, 4), PLACES, **options)
