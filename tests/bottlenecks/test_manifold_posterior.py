"""Numbers of exact heat kernels, moments of Brownian motion, and gradients through both."""

import math

import pytest
import torch
from torch.testing import assert_close

from ldm.bottlenecks import ManifoldPosterior
from ldm.randomness import sample_generators
from ldm.spaces import Flat, Hyperboloid, Power, ProjectiveSpace, Rotations, Sphere, Torus

SPACES = [
    Sphere(2),
    ProjectiveSpace(3),
    Rotations(),
    Torus(2),
    Power(Sphere(1), 2),
]
every = pytest.mark.parametrize("space", SPACES, ids=repr)


def features(posterior, batch: int, dtype=torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, posterior.in_channels, generator=generator, dtype=dtype)


def raw(space, n: int, t: float) -> torch.Tensor:
    """One location and time, n times."""
    location = space.random(1, torch.Generator().manual_seed(3), dtype=torch.float64)
    return torch.cat([location.flatten(1), torch.tensor([[math.log(t)]])], 1).expand(n, -1)


@pytest.mark.parametrize(
    ("space", "t", "exact", "rtol"),
    [
        (Sphere(2), 0.1, 2.04588, 1e-4),
        (Sphere(2), 0.05, 2.71391, 2e-5),
        (Sphere(3), 0.1, 2.32882, 4e-4),
        (Sphere(1), 0.1, 1.57023, 3e-6),
        (Power(Sphere(1), 2), 0.1, 2 * 1.57023, 3e-6),
        (ProjectiveSpace(3), 0.1, 2.32882 - math.log(2), 6e-4),
        (Rotations(), 0.4, 2.32882 - math.log(2), 6e-4),  # RP^3, lengths doubled
    ],
    ids=repr,
)
def test_divergence_expands_that_of_the_heat_kernel(space, t, exact, rtol):
    found = ManifoldPosterior(space).divergence(raw(space, 1, t))
    assert_close(found, torch.tensor([exact]).double(), rtol=rtol, atol=0)


def test_divergence_is_the_mean_log_ratio_of_draws():
    posterior, given = ManifoldPosterior(Sphere(2), steps=20), raw(Sphere(2), 20_000, 0.02)
    ratio = posterior.log_ratio(given, posterior.latent(given, torch.Generator().manual_seed(0)))
    assert ratio.dtype == torch.float64
    assert_close(ratio.mean(), posterior.divergence(given)[0], atol=0.03, rtol=0)


@every
def test_draws_are_as_far_from_the_location_as_they_have_dimensions(space):
    posterior, given = ManifoldPosterior(space), raw(space, 20_000, 1e-3)
    latent = posterior.latent(given, torch.Generator().manual_seed(1))
    space.check(latent)
    squared = space.distance(latent, posterior.mode(given)).square().mean()
    assert_close(squared, torch.tensor(space.dim * 1e-3).double(), rtol=0.03, atol=0)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_many_steps_are_brownian_motion_on_spheres(d):
    posterior, given = ManifoldPosterior(Sphere(d), steps=200), raw(Sphere(d), 5000, 0.5)
    latent = posterior.latent(given, torch.Generator().manual_seed(2))
    cosine = (latent * posterior.mode(given)).sum(1).mean()
    assert_close(cosine, torch.tensor(math.exp(-d / 4)).double(), atol=0.02, rtol=0)


def test_steps_on_rotations_are_angles():
    posterior, given = ManifoldPosterior(Rotations(), steps=50), raw(Rotations(), 5000, 0.5)
    latent = posterior.latent(given, torch.Generator().manual_seed(2))
    trace = (latent * posterior.mode(given)).sum((1, 2)).mean() / 3  # (1 + 2 cos angle) / 3
    assert_close(trace, torch.tensor(math.exp(-0.5)).double(), atol=0.02, rtol=0)


@every
def test_features_become_a_location_and_a_time_within_bounds(space):
    posterior = ManifoldPosterior(space, log_time=[-6, -4])
    h = 3 * features(posterior, 50)
    encoded = posterior(h, torch.Generator().manual_seed(0))
    location, t = posterior.moments(encoded.raw)
    assert encoded.latent.shape == location.shape == (50, *space.shape)
    assert_close(location, space.project(h[:, :-1].view(50, *space.shape)))
    assert_close(t.log(), -5 + torch.tanh(h[:, -1]))
    assert_close(encoded.losses["kl"], posterior.divergence(encoded.raw).mean())
    assert torch.equal(posterior.mode(encoded.raw), location)
    again = posterior.latent(encoded.raw, torch.Generator().manual_seed(0))
    assert_close(encoded.latent, again, rtol=0, atol=0)


@every
def test_gradients_are_finite_and_reach_every_feature(space):
    posterior = ManifoldPosterior(space)
    h = features(posterior, 8, torch.float32).requires_grad_()
    encoded = posterior(h, torch.Generator().manual_seed(0))
    weights = 1.0 + torch.arange(encoded.latent[0].numel()).view(space.shape)
    (encoded.latent * weights).sum().backward()
    assert h.grad.isfinite().all()
    assert (h.grad.abs().sum(0) > 0).all()


def test_the_gradient_in_time_is_that_of_the_mean():
    # E <a, z> = exp(-t) <a, y> on S^2, so its derivative in log t is -t exp(-t) <a, y>.
    posterior = ManifoldPosterior(Sphere(2), steps=20)
    given = raw(Sphere(2), 20_000, 0.5).clone().requires_grad_()
    latent = posterior.latent(given, torch.Generator().manual_seed(5))
    cosine = (latent * posterior.mode(given).detach()).sum(1).mean()
    slope = torch.autograd.grad(cosine, given)[0][:, -1].sum()
    assert_close(slope.item(), -0.5 * math.exp(-0.5), atol=0.02, rtol=0)


def test_the_gradient_of_the_divergence_in_time():
    given = raw(Sphere(3), 1, 0.1).clone().requires_grad_()
    ManifoldPosterior(Sphere(3)).divergence(given).sum().backward()
    assert_close(given.grad[0, -1].item(), -3 / 2 + 0.1 * 6 / 4)
    assert (given.grad[0, :-1] == 0).all()


def test_a_draw_does_not_depend_on_its_batch():
    posterior = ManifoldPosterior(Sphere(2))
    encoded = posterior(features(posterior, 3), sample_generators(0, [5, 6, 7]))
    alone = posterior.latent(encoded.raw[1:2], sample_generators(0, [6]))
    assert_close(encoded.latent[1:2], alone, rtol=0, atol=0)


def test_flat_changes_what_is_declared_and_no_latent():
    round_, flat = ManifoldPosterior(Sphere(2)), ManifoldPosterior(Sphere(2), flat=True)
    assert (round_.space, flat.space) == (Sphere(2), Flat([3]))
    h = features(flat, 4)
    latents = [p(h, torch.Generator().manual_seed(0)).latent for p in (round_, flat)]
    assert torch.equal(*latents)
    assert_close(flat.decodable(2 * latents[0]), latents[0])


@every
def test_builds_and_runs_without_memory(space):
    with torch.device("meta"):
        posterior = ManifoldPosterior(space)
        encoded = posterior(torch.empty(2, posterior.in_channels))
    assert encoded.latent.is_meta
    assert encoded.latent.shape == (2, *space.shape)


def test_half_precision_features_are_read_in_full():
    posterior = ManifoldPosterior(Sphere(2))
    h = features(posterior, 4).bfloat16()
    expected = posterior(h.float(), torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        found = posterior(h, torch.Generator().manual_seed(0))
    assert_close(found, expected, rtol=0, atol=0)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="needs a compact space, got Hyperboloid"):
        ManifoldPosterior(Hyperboloid(2))
    with pytest.raises(ValueError, match=r"lower and an upper bound, got \[-5, -7\]"):
        ManifoldPosterior(Sphere(2), log_time=[-5, -7])
    with pytest.raises(ValueError, match="1 step or more, got 0"):
        ManifoldPosterior(Sphere(2), steps=0)
    with pytest.raises(ValueError, match="reads 4 channels, got features of 3"):
        ManifoldPosterior(Sphere(2))(torch.zeros(1, 3))
