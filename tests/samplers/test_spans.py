"""Walks over other spans than the whole: inversion, edits from the middle, scaled starts."""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from ldm.processes import (
    Brownian,
    DiffusionMixture,
    GaussianDiffusion,
    GeodesicFlow,
    LinearFlow,
    OrnsteinUhlenbeck,
    Score,
    Velocity,
)
from ldm.processes.rates import Linear
from ldm.randomness import sample_generators
from ldm.samplers import (
    DDIM,
    AdaptiveODE,
    EulerODE,
    GeodesicWalk,
    HeunODE,
    Likelihood,
    Sampler,
)
from ldm.spaces import Flat, Rotations, Sphere, Torus
from ldm.spaces.heat_kernels.circle import wrapped_score

SPACE = Flat([2, 8])
FLOW, DIFFUSION = LinearFlow(SPACE), GaussianDiffusion(SPACE, "linear")
SPHERE, TORUS, ROTATIONS = Sphere(2), Torus(3), Rotations()
CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "sampler"
SCHEDULERS = ["ddim", "ddpm", "plms", "dpm_solver", "euler", "heun", "unipc"]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shipped(name: str, **changes) -> Sampler:
    return instantiate(OmegaConf.merge(OmegaConf.load(CONFIGS / f"{name}.yaml"), changes))


def points(space, n: int = 5) -> torch.Tensor:
    return space.random(n, generator(), dtype=torch.float64)


def there_and_back(sampler, denoise, process, span=None) -> tuple[torch.Tensor, torch.Tensor]:
    """Distances of noise from data, and of data from what comes back."""
    space = process.space
    end, start = process.span if span is None else span
    data = sampler(denoise, process, points(space), {})
    noise = sampler(denoise, process, data, {}, span=(start, end))
    back = sampler(denoise, process, noise, {}, span=(end, start))
    return space.distance(data, noise), space.distance(data, back)


def silent(x, t, condition):
    raise AssertionError("no network is asked here")


def turning(x, t, condition):
    """A velocity on the sphere: a rotation about a turning axis, and a climb."""
    axis = torch.stack([(3 * t).cos(), (3 * t).sin(), torch.ones_like(t)], 1)
    return Velocity(torch.linalg.cross(axis, x) + SPHERE.tangent(x, axis))


def angles(process):
    """The exact score of wrapped normal angles of mean 1 and variance 0.2."""

    def denoise(x, t, condition):
        return Score(wrapped_score(x - 1, 0.2 + process.variance(t)[:, None]))

    return denoise


def turned(process):
    """The exact score of rotations that Brownian motion took from the identity."""

    def denoise(x, t, condition):
        eye = ROTATIONS.coordinates(torch.eye(3, dtype=torch.float64)[None], x.dtype)
        variance = (0.5 + process.variance(t)).to(x.dtype)
        return Score(ROTATIONS.heat_kernel.score(x, eye.expand_as(x), variance))

    return denoise


@pytest.mark.parametrize("steps", [400, None])
def test_a_flat_flow_inverted_and_sampled_comes_back(steps, data):
    sampler = AdaptiveODE(1e-7, 1e-7) if steps is None else HeunODE(steps)
    went, missed = there_and_back(sampler, data.denoise(FLOW), FLOW)
    assert went.min() > 0.5
    assert missed.max() < 1e-4


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize(
    ("process", "field", "steps"),
    [
        (GeodesicFlow(SPHERE), lambda process: turning, 200),
        (Brownian(TORUS, Linear(0.1, 8.0), first=0.01), angles, 400),
        (Brownian(ROTATIONS, Linear(0.1, 2.0), first=0.01), turned, 200),
    ],
    ids=["sphere", "torus", "rotations"],
)
def test_a_curved_flow_inverted_and_sampled_comes_back(adaptive, process, field, steps):
    sampler = AdaptiveODE(1e-7, 1e-7) if adaptive else HeunODE(steps)
    went, missed = there_and_back(sampler, field(process), process)
    assert went.max() > 0.3
    assert missed.max() < 1e-4


@pytest.mark.parametrize("steps", [200, 50, 30])  # 30 does not divide 1000
@pytest.mark.parametrize("span", [(999, 0), (500, 0)])
def test_ddim_inverted_and_sampled_comes_back(steps, span, data):
    went, missed = there_and_back(DDIM(steps), data.denoise(DIFFUSION), DIFFUSION, span)
    assert went.min() > 0.5
    assert missed.max() < 1e-4


@pytest.mark.parametrize("options", [{"offset": 1, "clean": False}, {}])
def test_whatever_steps_of_ddim_are_undone_exactly(options, data):
    leading = DDIM(50, spacing="leading", **options)
    _, missed = there_and_back(leading, data.denoise(DIFFUSION), DIFFUSION)
    assert missed.max() < 1e-4


def test_ddim_inverts_to_where_the_probability_flow_does(data):
    x = data.mean + data.std * points(SPACE)
    noise = DDIM(1000)(data.denoise(DIFFUSION), DIFFUSION, x, {}, span=(0, 999))
    exact = (x - data.mean) / data.std
    assert (noise - exact).abs().max() < 0.03


@pytest.mark.parametrize("options", [{"steps": 60}, {"tolerance": 1e-8}], ids=str)
def test_a_likelihood_tells_the_point_that_the_flow_came_from(options):
    flow = GeodesicFlow(SPHERE)
    x = points(SPHERE)
    found = Likelihood(**options)(turning, flow, x, {})
    SPHERE.check(found.base_point)
    again = AdaptiveODE(1e-8, 1e-8)(turning, flow, found.base_point, {})
    assert SPHERE.distance(again, x).max() < (1e-5 if "tolerance" in options else 5e-3)


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("start", [499, 505, 2])
def test_every_shipped_scheduler_edits_from_the_middle_and_keeps_the_distribution(
    name, start, data
):
    data.std, n = 0.8, 4000
    process, sampler = DIFFUSION, shipped(name, steps=250)
    latent = data.mean + data.std * SPACE.random(n, generator())
    t = torch.full((n,), start)
    noisy = process.noise(latent, t, generator(1))
    x = sampler(data.denoise(process), process, noisy, {}, generator(2), span=(start, 0))
    # 64,000 numbers: four standard errors, and a little for the steps being finite.
    assert x.mean().item() == pytest.approx(data.mean, abs=4 * data.std / 253 + 0.005)
    assert x.std().item() == pytest.approx(
        data.std, rel=4 / 358 + (0.02 if name == "ddpm" else 0.005)
    )


@pytest.mark.parametrize("name", [name for name in SCHEDULERS if name != "ddpm"])
@pytest.mark.parametrize("start", [899, 893, 499, 505])
def test_deterministic_schedulers_follow_the_probability_flow_from_the_middle(name, start, data):
    data.std = 0.8
    noisy = DIFFUSION.mix(0.9 + 0 * points(SPACE), points(SPACE), torch.full((5,), start))
    x = shipped(name, steps=250)(data.denoise(DIFFUSION), DIFFUSION, noisy, {}, None, (start, 0))
    exact = data.flow_to_data(DIFFUSION, noisy, torch.full((5,), start))
    assert (x - exact).abs().max() < 0.03


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_span_that_begins_with_the_base_distribution_is_the_whole_one(name, data):
    def sample(**span):
        start = SPACE.random(3, generator())
        return shipped(name, steps=8)(
            data.denoise(DIFFUSION), DIFFUSION, start, {}, generator(1), **span
        )

    torch.testing.assert_close(sample(), sample(span=(999, 0)), rtol=0, atol=0)


def test_edits_of_angles_keep_their_distribution():
    process, n = Brownian(Torus(1), Linear(0.1, 8.0), first=0.01), 8000
    t = torch.full((n,), 0.3)
    kernel = process.space.heat_kernel
    latent = kernel.sample(torch.ones(n, 1), torch.full((n,), 0.2), generator())
    noisy = process.noise(latent, t, generator(1))
    for sampler in (GeodesicWalk(100), HeunODE(50)):
        x = sampler(angles(process), process, noisy, {}, generator(2), span=(0.3, 0.01))
        cosine, left = (x - 1).cos(), 0.2 + process.variance(torch.tensor([0.01])).item()
        error = cosine.std().item() / n**0.5
        expected = torch.tensor(-left / 2).exp().item()
        assert cosine.mean().item() == pytest.approx(expected, abs=4 * error)


@pytest.mark.parametrize(
    ("process", "sampler"),
    [
        (FLOW, EulerODE(3)),
        (FLOW, HeunODE(3)),
        (FLOW, AdaptiveODE()),
        (Brownian(TORUS, Linear()), GeodesicWalk(3)),
        *((DIFFUSION, shipped(name)) for name in SCHEDULERS),
    ],
    ids=lambda part: type(part).__name__,
)
def test_an_edit_of_no_strength_returns_the_start_and_asks_nothing(process, sampler):
    start, end = points(process.space), process.span[1]
    assert torch.equal(sampler(silent, process, start, {}, span=(end, end)), start)


def test_a_scaled_start_of_a_linear_flow_scales_the_sample(data):
    data.mean = 0.0
    start = points(SPACE)
    for process, sampler in ((FLOW, HeunODE(20)), (DIFFUSION, DDIM(20))):
        whole, half = (
            sampler(data.denoise(process), process, scale * start, {}) for scale in (1.0, 0.5)
        )
        torch.testing.assert_close(half, whole / 2)


def test_heun_asks_a_network_at_data_only_where_a_walk_begins_there(data):
    times = []

    def denoise(x, t, condition):
        times.append(t[0].item())
        return data.denoise(FLOW)(x, t, condition)

    HeunODE(4)(denoise, FLOW, points(SPACE), {}, span=(0.5, 1.0))
    assert (len(times), times[0], max(times)) == (7, 0.5, 0.875)
    times.clear()
    HeunODE(4)(denoise, FLOW, points(SPACE), {}, span=(0.0, 0.5))
    assert (len(times), max(times)) == (8, 0.5)
    times.clear()
    HeunODE(4)(denoise, FLOW, points(SPACE), {}, span=(1.0, 0.0))
    assert (len(times), times[0], times[-1]) == (8, 1.0, 0.0)


def test_an_edit_does_not_depend_on_the_batch():
    process = Brownian(TORUS, Linear(0.1, 8.0))
    start = points(TORUS, 3)

    def edit(indices):
        own = sample_generators(5, indices)
        walk = GeodesicWalk(4, corrections=1)
        return walk(angles(process), process, start[indices], {}, own, (0.5, 0.001))

    torch.testing.assert_close(edit([0, 1, 2]), torch.cat([edit([0]), edit([1, 2])]))


@pytest.mark.parametrize(
    "process",
    [
        Brownian(TORUS, Linear()),
        OrnsteinUhlenbeck(SPACE, Linear()),
        DiffusionMixture(SPHERE, Linear()),
    ],
    ids=lambda process: type(process).__name__,
)
def test_a_random_walk_is_not_reversed(process):
    with pytest.raises(ValueError, match=r"a random walk cannot be reversed.*invert with HeunODE"):
        GeodesicWalk(3)(silent, process, points(process.space), {}, span=process.span[::-1])


@pytest.mark.parametrize(
    "sampler",
    [DDIM(10, eta=0.5), *(shipped(name) for name in SCHEDULERS if name != "ddim")],
    ids=lambda sampler: str(getattr(sampler, "scheduler", type(sampler).__name__)),
)
def test_only_deterministic_ddim_is_inverted(sampler):
    with pytest.raises(ValueError, match="be inverted: invert and sample with sampler=ddim"):
        sampler(silent, DIFFUSION, points(SPACE), {}, span=(0, 999))


@pytest.mark.parametrize("span", [(999, 500), (500, 999)])
def test_schedulers_walk_from_or_to_data(span):
    with pytest.raises(ValueError, match=f"got the span {span[0]} to {span[1]}"):
        DDIM(10)(silent, DIFFUSION, points(SPACE), {}, span=span)


@pytest.mark.parametrize("span", [(-0.1, 1.0), (0.0, 1.1), (float("nan"), 1.0)])
def test_a_span_beyond_the_process_is_refused(span):
    with pytest.raises(ValueError, match=r"must stay between times 0.0 and 1.0 of the LinearFlow"):
        EulerODE(3)(silent, FLOW, points(SPACE), {}, span=span)
