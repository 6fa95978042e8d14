"""The Fréchet distance against closed forms, SciPy, TorchMetrics, and its bias formula."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.image.fid import FrechetInceptionDistance

from eval.metrics.frechet import (
    FrechetDistance,
    FrechetStatistics,
    Moments,
    frechet_distance,
    frechet_distance_svd,
)


def normal(n: int, dim: int, seed: int) -> torch.Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x.mean(0), torch.cov(x.T)


def distance(x: torch.Tensor, y: torch.Tensor) -> float:
    return frechet_distance(*moments(x), *moments(y)).item()


def test_correlated_features_match_the_closed_form():
    zero = torch.zeros(2)
    sigma1, sigma2 = torch.tensor([[2.0, 1.0], [1.0, 2.0]]), torch.diag(torch.tensor([1.0, 4.0]))
    expected = 9 - 2 * math.sqrt(10 + 2 * math.sqrt(12))
    got = frechet_distance(zero, sigma1, zero, sigma2).item()
    assert got == pytest.approx(expected, rel=1e-12)


@given(
    st.floats(-5, 5), st.floats(-5, 5), st.floats(0.01, 10), st.floats(0.01, 10), st.integers(1, 6)
)
def test_independent_coordinates_add_up(mean1, mean2, scale1, scale2, dim):
    eye, one = torch.eye(dim), torch.ones(dim, dtype=torch.float64)
    got = frechet_distance(mean1 * one, scale1**2 * eye, mean2 * one, scale2**2 * eye).item()
    expected = dim * ((mean1 - mean2) ** 2 + (scale1 - scale2) ** 2)
    assert got == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_agrees_with_scipy_on_full_covariances():
    x, y = normal(300, 24, 0), normal(300, 24, 1) @ normal(24, 24, 2) + 1
    (mu1, sigma1), (mu2, sigma2) = moments(x), moments(y)
    root = scipy.linalg.sqrtm((sigma1 @ sigma2).numpy()).real
    expected = (mu1 - mu2).square().sum() + sigma1.trace() + sigma2.trace() - 2 * np.trace(root)
    assert distance(x, y) == pytest.approx(expected.item(), rel=1e-9)


@given(st.integers(0, 1000), st.floats(0.1, 10))
def test_invariant_under_rotation_and_exchange_and_quadratic_in_scale(seed, scale):
    x, y = normal(40, 6, seed), normal(50, 6, seed + 1) * 2 + 1
    rotation = torch.linalg.qr(normal(6, 6, seed + 2)).Q
    expected = distance(x, y)
    assert distance(x @ rotation, y.flip(0) @ rotation) == pytest.approx(expected, rel=1e-9)
    assert distance(scale * x, scale * y) == pytest.approx(scale**2 * expected, rel=1e-9)
    assert distance(y, x) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n", [20, 1000])  # rank-deficient and full-rank
def test_the_distance_of_a_set_from_itself_is_zero(n):
    x = normal(n, 64, 3)
    assert 0 <= distance(x, x) < 1e-6


def test_few_samples_match_the_nuclear_norm_of_the_centred_features():
    # tr((S1 S2)^(1/2)) = |Xc Yc'|_* / sqrt((n - 1)(m - 1)), a formula without covariances.
    x, y = normal(50, 64, 4), normal(40, 64, 5) + 0.5
    (mu1, sigma1), (mu2, sigma2) = moments(x), moments(y)
    norm = torch.linalg.svdvals((x - mu1) @ (y - mu2).T).sum() / math.sqrt(49 * 39)
    expected = (mu1 - mu2).square().sum() + sigma1.trace() + sigma2.trace() - 2 * norm
    assert distance(x, y) == pytest.approx(expected.item(), rel=1e-6)


def test_the_bias_agrees_with_the_second_order_formula():
    # d/N + (d^2 + d)/(4N) against the exact distribution, twice that between two sets.
    dim, n = 64, 1000
    zero, eye = torch.zeros(dim), torch.eye(dim)
    sets = [normal(n, dim, seed) for seed in range(20)]
    one = np.mean([frechet_distance(*moments(x), zero, eye).item() for x in sets])
    two = np.mean([distance(x, y) for x, y in zip(sets[::2], sets[1::2], strict=True)])
    expected = dim / n + (dim**2 + dim) / (4 * n)
    assert one == pytest.approx(expected, rel=0.05)
    assert two == pytest.approx(2 * expected, rel=0.05)


def test_accumulated_and_merged_statistics_equal_those_of_the_whole_set():
    x = normal(90, 5, 6) * 3 + 7
    first, second = FrechetStatistics(5), FrechetStatistics(5)
    for part in x[:50].split(8):
        first.update(part)
    second.update(x[50:])
    first.merge_state(second)
    got = first.compute()
    assert got.n == 90
    torch.testing.assert_close((got.mu, got.sigma), moments(x))


def test_float32_features_keep_small_covariances():
    x = (normal(2000, 3, 7) * 1e-3 + 10).float()  # float32 sums of squares are rounded to 1e-2
    statistics = FrechetStatistics(3)
    statistics.update(x)
    torch.testing.assert_close(
        statistics.compute().sigma, torch.cov(x.double().T), rtol=0, atol=1e-12
    )


def test_the_metric_equals_the_function_with_and_without_a_reference():
    x, y = normal(60, 4, 8), normal(70, 4, 9) + 1
    metric = FrechetDistance(4)
    metric.update(x, real=True)
    metric.update(y[:30], real=False)
    rest = FrechetDistance(4)
    rest.update(y[30:], real=False)
    metric.merge_state(rest)
    on_reference = FrechetDistance(4, reference=Moments(*moments(x), 60))
    on_reference.update(y, real=False)
    assert metric.compute().item() == pytest.approx(distance(x, y), rel=1e-12)
    assert on_reference.compute().item() == pytest.approx(distance(x, y), rel=1e-12)
    with pytest.raises(ValueError, match="built on a reference"):
        on_reference.update(x, real=True)


def test_agrees_with_torchmetrics_on_the_same_features():
    class Pixels(torch.nn.Module):
        num_features = 12

        def forward(self, images):
            return images.flatten(1).float()

    images = torch.randint(0, 256, (2, 80, 3, 2, 2), dtype=torch.uint8)
    theirs, ours = FrechetInceptionDistance(Pixels(), input_img_size=(3, 2, 2)), FrechetDistance(12)
    for real, batch in zip((True, False), images, strict=True):
        theirs.update(batch, real=real)
        ours.update(batch.flatten(1).float(), real=real)
    assert ours.compute().item() == pytest.approx(theirs.compute().item(), rel=1e-5)


def test_reference_files_are_read_back_and_files_of_other_evaluators_are_read(tmp_path):
    x = Moments(*moments(normal(30, 4, 10)), 30)
    np.savez(tmp_path / "reference.npz", **x._asdict())
    back = Moments.load(tmp_path / "reference.npz")
    torch.testing.assert_close(tuple(back), tuple(x), rtol=0, atol=0)

    np.savez(tmp_path / "adm.npz", mu_s=np.zeros(3, np.float32), sigma_s=np.eye(3))
    spatial = Moments.load(tmp_path / "adm.npz", mu="mu_s", sigma="sigma_s")
    assert spatial.n is None
    assert spatial.mu.dtype == torch.float64
    with pytest.raises(ValueError, match=r"lacks \['mu', 'sigma'\]"):
        Moments.load(tmp_path / "adm.npz")


def test_invalid_features_are_refused_with_the_found_values():
    statistics = FrechetStatistics(3)
    with pytest.raises(ValueError, match="size 3, got size 2"):
        statistics.update(torch.zeros(4, 2))
    bad = torch.zeros(4, 3)
    bad[1, 2], bad[1, 0], bad[3, 0] = torch.nan, torch.inf, torch.inf
    with pytest.raises(ValueError, match="2 of 4 features are not finite"):
        statistics.update(bad)
    statistics.update(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="two features or more, got 1"):
        statistics.compute()
    with pytest.raises(ValueError, match="sigma2 holds 1 number"):
        frechet_distance(torch.zeros(1), torch.eye(1), torch.zeros(1), torch.eye(1) * torch.nan)


def test_the_form_of_evaluators_of_videos_agrees_but_for_its_single_precision():
    x, y = normal(900, 40, 0), normal(900, 40, 1) @ normal(40, 40, 2) / 6 + 1
    ours = distance(x, y)
    assert frechet_distance_svd(*moments(x), *moments(y)).item() == pytest.approx(ours, rel=1e-4)
    assert frechet_distance_svd(*moments(x), *moments(x)).item() == pytest.approx(0, abs=0.1)
    # Y = a X has the distance (1 - a)^2 (|mu|^2 + tr S), also where the covariance lacks full rank.
    few = normal(20, 40, 3) + 2
    mu, sigma = moments(few)
    expected = 0.25 * (mu.square().sum() + sigma.trace()).item()
    for form in (frechet_distance, frechet_distance_svd):
        assert form(mu, sigma, mu / 2, sigma / 4).item() == pytest.approx(expected, rel=1e-3)
