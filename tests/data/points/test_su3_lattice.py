"""Lattices of SU(3): the group, the gradient, and identities of the simulated distribution."""

import math

import pytest
import torch

from data import DataError, SU3Lattice
from data.points import su3_lattice as su3


def haar(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    parts = torch.randn(*shape, 3, 3, 2, generator=generator, dtype=torch.float64)
    return su3.nearest(torch.view_as_complex(parts))


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_nearest_matrix_is_special_unitary_and_leaves_the_group_unchanged():
    u = haar(50)
    one = torch.eye(3, dtype=u.dtype).expand_as(u)
    torch.testing.assert_close(u @ u.mH, one)
    torch.testing.assert_close(torch.linalg.det(u), torch.ones(50, dtype=u.dtype))
    torch.testing.assert_close(su3.nearest(u), u)


def test_uniform_matrices_have_the_moments_of_haar_measure():
    trace = haar(20_000).diagonal(dim1=-2, dim2=-1).sum(-1)
    # E|tr|^2 = 1, E|tr|^4 = 2, E tr^3 = 1 (Diaconis and Shahshahani); five standard errors.
    assert trace.abs().square().mean().item() == pytest.approx(1, abs=0.04)
    assert trace.abs().pow(4).mean().item() == pytest.approx(2, abs=0.15)
    assert trace.pow(3).real.mean().item() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_the_gradient_agrees_with_autograd(size):
    u = haar(3, size, size).requires_grad_()
    (ambient,) = torch.autograd.grad(su3.plaquettes(u).sum(), u)
    expected = su3.to_algebra(u.detach().mH @ ambient)
    torch.testing.assert_close(su3._gradient(u.detach()), expected)


def test_plaquettes_are_traces_of_products_and_gauge_invariant():
    u = haar(2, 3, 3)
    east, north, west, south = u[:, 1, 2], u[:, 0, 1], u[:, 1, 0], u[:, 2, 1]
    product = east @ north @ west.mH @ south.mH
    trace = product.diagonal(dim1=-2, dim2=-1).sum(-1).real
    torch.testing.assert_close(su3.plaquettes(u)[:, 1, 1], trace)
    g = haar(2, 1, 1, seed=1)
    torch.testing.assert_close(su3.plaquettes(g @ u @ g.mH), su3.plaquettes(u))


def test_noise_has_unit_variance_in_each_of_eight_directions(rng):
    noise = su3.to_algebra(su3._normal((20_000, 3, 3), rng))
    torch.testing.assert_close(noise, -noise.mH)
    assert noise.diagonal(dim1=-2, dim2=-1).sum(-1).abs().max() < 1e-5
    square = noise.abs().square().sum((1, 2))
    # Squared norms are chi-square with eight degrees of freedom.
    assert square.mean().item() == pytest.approx(8, abs=5 * 4 / math.sqrt(20_000))
    assert square.var().item() == pytest.approx(16, rel=0.1)


def test_the_series_agrees_with_the_exponential_for_small_steps(rng):
    a = 0.03 * su3.to_algebra(su3._normal((100, 3, 3), rng))
    torch.testing.assert_close(su3._exp(a), torch.linalg.matrix_exp(a), atol=1e-6, rtol=0)


def test_integration_by_parts_holds_under_the_simulated_distribution(rng):
    # E[Laplacian f + <grad log p, grad f>] = 0 for f = sum Re tr P. On a lattice of size 3 a matrix
    # is in four plaquettes, once each, so Laplacian f = -4 (8/3) f by SU(3)'s Casimir number.
    # With half the noise variance the two sides would differ by a factor of two.
    u = su3.simulate(9.0, 3, chains=200, steps=300, step=4e-3, generator=rng)
    square = su3._gradient(u).abs().square().sum((1, 2, 3, 4)).mean().item()
    f = su3.plaquettes(u).sum((1, 2)).mean().item()
    assert 9 / 3 * square == pytest.approx(4 * 8 / 3 * f, rel=0.08)


def test_the_mean_plaquette_agrees_with_the_strong_coupling_expansion(rng):
    # <Re tr P> / 3 = beta / 18 + beta^2 / 216 + ... for nearly independent plaquettes.
    u = su3.simulate(0.6, 3, chains=1000, steps=60, step=4e-2, generator=rng)
    mean = su3.plaquettes(u).mean((1, 2)) / 3
    error = mean.std().item() / math.sqrt(len(mean))
    assert mean.mean().item() == pytest.approx(0.6 / 18 + 0.36 / 216, abs=4 * error)
    assert error < 0.004


def test_points_are_simulated_once_for_each_set_of_parameters(cache, monkeypatch):
    options = {"chains": 20, "steps": 3, "size": 3}
    data = SU3Lattice(**options)
    data.setup()
    assert data.train_dataset.points.shape == (16, 2, 3, 3, 3, 3)
    assert len(list(cache.glob("su3_lattice/*.npy"))) == 1
    other = SU3Lattice(**options, data_seed=1)
    assert not torch.equal(other.read(), data.read())
    monkeypatch.setattr(su3, "simulate", None)
    assert SU3Lattice(**options, seed=5, split_seed=1).fingerprint != data.fingerprint
    assert SU3Lattice(**options).fingerprint == data.fingerprint


def test_the_action_agrees_with_the_plaquettes():
    data, u = SU3Lattice(beta=6.0, size=3), haar(5, 3, 3)
    x = su3.to_coordinates(u)
    assert x.shape == (5, *data.shape)
    torch.testing.assert_close(su3.to_matrices(x), u)
    torch.testing.assert_close(data.action(x), -2 * su3.plaquettes(u).sum((1, 2)))
    one = su3.to_coordinates(torch.eye(3, dtype=u.dtype).expand(1, 3, 3, 3, 3))
    assert data.mean_plaquette(one).item() == pytest.approx(1)


def test_parameters_that_are_not_positive_are_refused():
    with pytest.raises(DataError, match="chains must be a positive number, got 0"):
        SU3Lattice(chains=0)
