"""Synthetic distributions: densities integrate to one, and points follow them."""

import math
from itertools import islice

import mpmath
import numpy as np
import pytest
import torch
from scipy.stats import kstest, vonmises_fisher

from data import (
    DataError,
    HyperbolicMixture,
    RotationMixture,
    VonMisesFisher,
    WrappedSPD,
    WrappedTorus,
)

CORNERS = ((1, 1, 1), (-2, 0, 0), (0, -1, 3))
LAWS = [
    VonMisesFisher(),
    VonMisesFisher(CORNERS, kappa=4.0),
    WrappedTorus(3),
    WrappedTorus(2, scale=2.0, embedding="pairs"),
    RotationMixture(4),
    WrappedSPD(),
    HyperbolicMixture(),
    HyperbolicMixture(model="ball"),
    HyperbolicMixture(((0.0, 0.0, 0.5), (0.3, 0.0, 0.0)), ((0.5, 0.7, 0.2), (1.0, 1.0, 1.0))),
]


@pytest.fixture(params=LAWS, ids=lambda law: f"{law.name}-{law.shape[0]}")
def law(request):
    return request.param


def kept(points, law):
    """Compute the distance of points from their manifold."""
    x = points.double()
    if isinstance(law, RotationMixture):
        return torch.linalg.matrix_norm(x @ x.mT - torch.eye(3)) + (torch.linalg.det(x) - 1).abs()
    if isinstance(law, WrappedSPD):
        return ((x[:, 0] * x[:, 2] <= x[:, 1].square()) | (x[:, 0] <= 0)).double()
    if isinstance(law, HyperbolicMixture) and law.model == "ball":
        return (x.norm(dim=1) >= 1).double()
    if isinstance(law, HyperbolicMixture):
        return ((x[:, 1:].square().sum(1) + 1) / x[:, 0].square() - 1).abs()
    if isinstance(law, WrappedTorus):
        if law.embedding == "angles":
            return (x // (2 * math.pi)).abs().sum(1)
        return (x.view(len(x), -1, 2).square().sum(-1) - 1).abs().sum(1)
    return (x.norm(dim=1) - 1).abs()


def test_points_lie_on_their_manifold_in_single_precision(law):
    law.setup()
    points = law.test_dataset.points
    assert points.shape == (20_000, *law.shape)
    assert kept(points, law).max() < 1e-5


def test_training_points_are_new_and_depend_on_the_seed_of_the_draw_only(law):
    first, second = islice(law.train_batches(0, 40_000, 0, 1, 2000), 2)
    again = next(iter(law.train_batches(20_000, 40_000, 0, 1, 2000)))  # the second epoch
    seen = torch.cat([first["x"], second["x"], again["x"], law.train_dataset.points])
    assert len(set(map(tuple, seen.flatten(1).tolist()))) > 25_990
    part = next(iter(law.train_batches(2000, 40_000, 1, 2, 2000)))
    torch.testing.assert_close(part["x"], second["x"][1000:], rtol=0, atol=0)
    ordered = next(iter(law.ordered_batches("train", 8)))["x"]
    assert torch.equal(ordered, law.train_dataset.points[:8])


def test_training_points_have_the_distribution_of_held_out_points(law):
    fresh = next(iter(law.train_batches(0, 5000, 0, 1, 5000)))["x"]
    drawn = -law.log_density(fresh)
    # The tolerance is five standard errors of the difference of two means.
    error = 5 * drawn.std().item() * math.sqrt(1 / 5000 + 1 / 20_000)
    assert law.optimum() == pytest.approx(drawn.mean().item(), abs=error)
    if law.entropy is not None:
        assert law.optimum() == pytest.approx(law.entropy, abs=error)


def test_splits_and_seeds_have_different_points():
    def points(split, **options):
        return getattr(VonMisesFisher(**options), f"{split}_dataset").points

    assert torch.equal(points("test"), points("test", seed=1))
    assert not torch.equal(points("test"), points("val"))
    assert not torch.equal(points("test"), points("test", data_seed=1))
    assert RotationMixture(data_seed=1).means[0] != pytest.approx(RotationMixture().means[0])


def test_the_von_mises_fisher_distribution_agrees_with_scipy():
    law = VonMisesFisher(((2, 0, -1),), kappa=7.0)
    other = vonmises_fisher(law.means[0].numpy(), 7.0)
    points = law.test_dataset.points
    x = points.double() / points.double().norm(dim=1, keepdim=True)
    expected = torch.from_numpy(other.logpdf(x.numpy()))
    torch.testing.assert_close(law.log_density(points), expected, atol=1e-5, rtol=1e-5)
    assert law.entropy == pytest.approx(other.entropy())
    below = math.exp(-14)  # the height has a truncated exponential distribution
    height = 1 + (x @ law.means[0] - 1).numpy()
    assert kstest(height, lambda z: (np.exp(7 * (z - 1)) - below) / (1 - below)).pvalue > 1e-3


def test_a_concentrated_distribution_has_full_precision():
    law = VonMisesFisher(kappa=1e6)
    assert law.entropy == pytest.approx(math.log(2 * math.pi) - math.log(1e6) + 1)
    assert law.optimum() == pytest.approx(law.entropy, abs=0.05)


def test_the_mixture_on_the_sphere_integrates_to_one():
    law = VonMisesFisher(CORNERS, kappa=4.0)
    z, weight = map(torch.from_numpy, np.polynomial.legendre.leggauss(40))
    angle = torch.arange(80, dtype=torch.float64) * 2 * math.pi / 80
    level = (1 - z * z).sqrt()[:, None]
    x = torch.stack([level * angle.cos(), level * angle.sin(), z[:, None].expand(40, 80)], -1)
    density = law.log_density(x.view(-1, 3)).exp().view(40, 80).mean(1) * 2 * math.pi
    assert (density * weight).sum() == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("scale", [0.05, 0.2, 1.0, 5.0])
def test_the_wrapped_normal_equals_a_theta_function(scale):
    # The Fourier series (Jacobi) converges fast where the sum over turns is slow.
    law = WrappedTorus(1, scale=scale)
    for offset in (0.0, 0.1, 1.0, 3.0):
        series = mpmath.jtheta(3, offset / 2, mpmath.exp(-(scale**2) / 2)) / (2 * mpmath.pi)
        x = torch.remainder(law.mean + offset, 2 * math.pi)[None]
        if series > 1e-12:  # the series is inaccurate for smaller densities
            assert law.log_density(x).item() == pytest.approx(float(mpmath.log(series)), abs=1e-6)


def test_the_entropy_on_the_torus_is_that_of_rsgm():
    expected = -0.5 * math.log(2 * math.pi * math.e * 0.04)
    for dim in (1, 2, 200):
        assert -WrappedTorus(dim).entropy / dim == pytest.approx(expected, abs=1e-9)
    assert WrappedTorus(1, scale=50.0).entropy == pytest.approx(math.log(2 * math.pi))


@pytest.mark.parametrize(("components", "ceiling"), [(16, 0.911), (32, 0.218), (64, -0.476)])
def test_the_optimal_likelihood_of_separated_modes_on_rotations(components, ceiling):
    found = torch.tensor(
        [-RotationMixture(components, data_seed=s, size=2000).optimum() for s in range(12)]
    )
    error = found.std().item() / math.sqrt(len(found))
    assert found.mean().item() == pytest.approx(ceiling, abs=4 * error)
    assert error < 0.03


def test_the_density_on_rotations_integrates_to_one():
    # Broad components, so that a mean of the density over uniform points converges.
    law, uniform = RotationMixture(2), RotationMixture(40_000)
    law.scales = torch.tensor([0.5, 0.7], dtype=torch.float64)
    density = law.log_density(uniform.means).exp() * 8 * math.pi**2
    error = density.std().item() / math.sqrt(len(density))
    assert density.mean().item() == pytest.approx(1, abs=4 * error)
    assert error < 0.03


@pytest.mark.parametrize("config", [{}, {"means": ((0.6, 0.6),), "scales": ((0.7, 0.4),)}])
def test_the_density_on_the_plane_integrates_to_one(config):
    law = HyperbolicMixture(**config)
    radius = torch.linspace(0, 10, 801, dtype=torch.float64)[1:]
    angle = torch.arange(200, dtype=torch.float64) * 2 * math.pi / 200
    r, a = torch.meshgrid(radius, angle, indexing="ij")
    x = torch.stack([r.cosh(), r.sinh() * a.cos(), r.sinh() * a.sin()], -1).view(-1, 3)
    density = law.log_density(x).exp().view_as(r) * r.sinh()
    assert density.sum() * radius[0] * (2 * math.pi / 200) == pytest.approx(1, abs=1e-4)


def test_ball_and_hyperboloid_coordinates_give_the_same_distribution():
    sheet, ball = HyperbolicMixture(), HyperbolicMixture(model="ball")
    x, y = sheet.test_dataset.points, ball.test_dataset.points
    torch.testing.assert_close(x[:, 1:] / (1 + x[:, :1]), y)
    torch.testing.assert_close(sheet.log_density(x), ball.log_density(y), atol=1e-4, rtol=1e-4)


def test_pairs_and_angles_give_the_same_distribution():
    angles, pairs = WrappedTorus(3), WrappedTorus(3, embedding="pairs")
    x, y = angles.test_dataset.points, pairs.test_dataset.points
    torch.testing.assert_close(x.cos(), y[:, ::2])
    torch.testing.assert_close(x.sin(), y[:, 1::2])
    torch.testing.assert_close(angles.log_density(x), pairs.log_density(y), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VonMisesFisher(((0, 0, 0),)), "directions"),
        (lambda: VonMisesFisher(kappa=0.0), "kappa must be a positive number, got 0"),
        (lambda: VonMisesFisher(kappa=math.inf), "kappa must be a positive number, got inf"),
        (lambda: VonMisesFisher([[0, 0, math.nan]]), "means must be directions"),
        (lambda: HyperbolicMixture([[math.nan, 0]], [[1, 1]]), "inside the unit ball"),
        (lambda: VonMisesFisher(seed=-1), "seed must be at least 0 and below 2.63, got -1"),
        (lambda: WrappedTorus(data_seed=10**22), "data_seed must be at least 0 and below 2.63"),
        (lambda: VonMisesFisher(size=0), "size must be a positive number, got 0"),
        (lambda: WrappedTorus(0), "dim must be a positive number, got 0"),
        (lambda: RotationMixture(0), "components must be a positive number, got 0"),
        (lambda: HyperbolicMixture(((0.8, 0.8),), ((1, 1),)), "inside the unit ball"),
        (lambda: HyperbolicMixture(((0, 0),), ((1, 0),)), "positive"),
        (lambda: HyperbolicMixture(model="disc"), "hyperboloid or ball, got 'disc'"),
        (lambda: HyperbolicMixture(((0, 0), (0.1,)), ((1, 1), (1, 1))), "rows of one length"),
    ],
)
def test_invalid_parameters_are_refused(make, message):
    with pytest.raises(DataError, match=message):
        make()
