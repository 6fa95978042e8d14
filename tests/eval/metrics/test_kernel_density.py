"""Kernel densities against closed forms, SciPy's directional distributions, and known values."""

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from data.points.earth import Earth
from data.points.torsions import RNA
from eval.metrics.kernel_density import (
    KAPPAS,
    kernel_density_nll,
    kernel_log_density,
    von_mises_fisher_log_peak,
)


def sphere(n: int, dim: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, dim + 1, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(x, dim=-1)


def pairs(angles: torch.Tensor) -> torch.Tensor:
    return torch.stack([angles.cos(), angles.sin()], dim=-1).flatten(1)


@pytest.mark.parametrize("dim", [1, 2, 3, 127, 511, 4000])
@pytest.mark.parametrize("kappa", [1e-3, 1.0, 50.0, 1e3, 1e6])
def test_the_peak_is_precise_for_all_dimensions_and_concentrations(dim, kappa):
    with mpmath.workdps(40):
        order = mpmath.mpf(dim - 1) / 2
        bessel = mpmath.log(mpmath.besseli(order, kappa))
        log_constant = order * mpmath.log(kappa) - (order + 1) * mpmath.log(2 * mpmath.pi) - bessel
        expected = float(log_constant + kappa)
    assert von_mises_fisher_log_peak(dim, kappa) == pytest.approx(expected, rel=1e-12, abs=1e-11)


@pytest.mark.parametrize("kappa", [1e-2, 15.0, 1e6])
def test_the_peak_on_the_sphere_has_its_closed_form(kappa):
    expected = math.log(kappa / (2 * math.pi)) - math.log(-math.expm1(-2 * kappa))
    assert von_mises_fisher_log_peak(2, kappa) == pytest.approx(expected, abs=1e-12)


def test_densities_equal_means_of_scipys_von_mises_fisher_densities():
    x, points = sphere(7, 4, 0), sphere(5, 4, 1)
    kernels = [stats.vonmises_fisher(mu.numpy(), 20.0).pdf(x.numpy()) for mu in points]
    uniform = math.gamma(2.5) / (2 * math.pi**2.5)
    expected = np.log(0.7 * np.mean(kernels, axis=0) + 0.3 * uniform)
    got = kernel_log_density(x, points, 20.0, share=0.3)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-10)


def test_densities_on_tori_equal_means_of_products_of_scipys_von_mises_densities():
    generator = torch.Generator().manual_seed(2)
    x, points = (7 * torch.rand(n, 3, generator=generator, dtype=torch.float64) for n in (6, 4))
    laws = stats.vonmises(5.0, loc=points.numpy())
    kernels = laws.pdf(x.numpy()[:, None]).prod(axis=-1).mean(axis=-1)
    expected = np.log(0.9 * kernels + 0.1 * (2 * math.pi) ** -3)
    got = kernel_log_density(pairs(x), pairs(points), 5.0, groups=3)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-10)


def test_densities_integrate_to_one_with_respect_to_the_volume():
    # Midpoint rule on the torus, which converges geometrically for periodic functions.
    axis = (torch.arange(200, dtype=torch.float64) + 0.5) * math.tau / 200
    grid = torch.cartesian_prod(axis, axis)
    points = pairs(torch.tensor([[0.3, 5.0], [2.0, 2.5]], dtype=torch.float64))
    mass = kernel_log_density(pairs(grid), points, 30.0, groups=2).exp().mean() * math.tau**2
    assert mass.item() == pytest.approx(1, abs=1e-12)


@given(seed=st.integers(0, 2**31), kappa=st.floats(1e-2, 1e6), rows=st.integers(1, 30))
def test_rotations_and_the_number_of_rows_leave_densities_unchanged(seed, kappa, rows):
    x, points = sphere(20, 2, seed), sphere(25, 2, seed + 1)
    turn = torch.linalg.qr(sphere(3, 2, seed + 2)).Q
    turned = kernel_log_density(x @ turn, points @ turn, kappa, rows=rows)
    torch.testing.assert_close(turned, kernel_log_density(x, points, kappa), rtol=0, atol=1e-7)


def test_rounding_of_float32_points_does_not_affect_densities():
    points = sphere(200, 2, 3)
    exact = kernel_log_density(points, points, 1e6, share=0)
    rounded = kernel_log_density(points.float(), points.float(), 1e6, share=0)
    torch.testing.assert_close(rounded, exact, rtol=0, atol=1e-4)


def test_the_bandwidth_is_selected_on_val_and_not_on_test():
    # Val equals the training points, so the sharpest kernel is selected, which is bad on test.
    train, test = sphere(50, 2, 4), sphere(40, 2, 5)
    chosen = kernel_density_nll(train, train, test, kappas=(1.0, 10.0, 1e4))
    honest = kernel_density_nll(train, test, test, kappas=(1.0, 10.0, 1e4))
    assert chosen["kappa"] == 1e4
    assert honest["kappa"] < 1e4
    assert honest["nll"] < chosen["nll"]
    best = min(-kernel_log_density(test, train, k).mean().item() for k in (1.0, 10.0, 1e4))
    assert honest["nll"] == best


def test_the_likelihood_of_von_mises_fisher_data_is_near_the_entropy():
    # For kappa = 15 on S^2 the entropy is log(2 pi) - log(kappa) + 1, a lower bound for any model.
    law = stats.vonmises_fisher([0, 0, 1], 15.0)
    draws = torch.from_numpy(law.rvs(6000, random_state=np.random.default_rng(0)))
    nll = kernel_density_nll(*draws.split(2000), share=0.01, kappas=KAPPAS[3:12])["nll"]
    entropy = math.log(2 * math.pi) - math.log(15) + 1
    assert entropy - 0.07 < nll < entropy + 0.12  # three standard errors of 2000 points


@pytest.mark.parametrize(
    ("event", "expected", "error", "kappa", "kappas"),
    [
        ("flood", 0.58, 0.09, 1e4, (3e3, 1e4, 3e4)),
        ("earthquake", -0.26, 0.05, 3e4, (1e4, 3e4, 1e5)),
        ("fire", -1.36, 0.02, 3e4, (3e4,)),  # improves with kappa up to 1e7
    ],
)
def test_earth_datasets_have_their_known_likelihoods(
    shared_data, event, expected, error, kappa, kappas
):
    data = Earth(event, root=str(shared_data))
    train, val, test = (data.load(split).points for split in data.held)
    scores = kernel_density_nll(train, val, test, kappas=kappas)
    assert scores["nll"] == pytest.approx(expected, abs=2 * error)
    assert scores["kappa"] == kappa


def test_rna_has_its_known_likelihood(shared_data):
    data = RNA("pairs", root=str(shared_data))
    train, val, test = (data.load(split).points for split in data.held)
    scores = kernel_density_nll(train, val, test, groups=7, share=0.05, kappas=(100, 200, 500))
    assert scores["nll"] == pytest.approx(-2.27, abs=0.25)
    assert scores["kappa"] == 200


def test_invalid_points_and_parameters_are_refused():
    with pytest.raises(ValueError, match=r"length 1\.732"):
        kernel_log_density(torch.ones(1, 3), sphere(4, 2, 6), 1.0)
    with pytest.raises(ValueError, match="2 groups need 2 times"):
        kernel_log_density(sphere(2, 2, 7), sphere(4, 2, 8), 1.0, groups=2)
    with pytest.raises(ValueError, match=r"kappa > 0 .* got 0 and 0\.1"):
        kernel_log_density(sphere(2, 2, 7), sphere(4, 2, 8), 0)
