"""Discrepancies against closed forms, direct double sums, and Monte Carlo standard deviations."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eval.metrics.two_sample import GaussianKernel, discrepancy, median_distance


def sphere(n: int, dim: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, dim + 1, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(x, dim=-1)


def linear(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return x @ y.T


def test_estimates_equal_direct_sums_over_pairs():
    x, y, widths = sphere(5, 2, 0), sphere(4, 2, 1), (0.5, 2.0)

    def mean(pairs):
        values = [sum(math.exp(-math.dist(a, b) ** 2 / (2 * w**2)) for w in widths) / 2
                  for a, b in pairs]  # fmt: skip
        return sum(values) / len(values)

    x_, y_ = x.tolist(), y.tolist()
    across = 2 * mean([(a, b) for a in x_ for b in y_])
    within = sum(mean([(a, b) for a in z for b in z if a is not b]) for z in (x_, y_))
    with_itself = sum(mean([(a, b) for a in z for b in z]) for z in (x_, y_))
    scores = discrepancy(x, y, GaussianKernel(*widths))
    assert scores.unbiased.item() == pytest.approx(within - across, rel=1e-10)
    assert scores.biased.item() == pytest.approx(with_itself - across, rel=1e-10)


@pytest.mark.parametrize("width", [0.3, 1.0, 3.0])
def test_a_point_against_the_uniform_distribution_has_its_closed_form(width):
    # On S^2 the mean of exp((cos - 1) / b^2) over the sphere is b^2 (1 - exp(-2 / b^2)) / 2,
    # both for a fixed point and for a uniform one.
    mean = width**2 * -math.expm1(-2 / width**2) / 2
    pole = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64).expand(100, 3)
    got = discrepancy(pole, sphere(1500, 2, 2), GaussianKernel(width)).unbiased
    assert got.item() == pytest.approx(1 - mean, abs=0.03)


def test_for_equal_distributions_mean_and_standard_deviation_are_as_predicted():
    # k(x, y) = x.y on S^2 is centred and has second moment 1/3.
    n, m, repetitions = 12, 7, 1500
    points = sphere(repetitions * (n + m), 2, 3).split(n + m)
    scores = [discrepancy(z[:n], z[n:], linear) for z in points]
    unbiased = torch.stack([s.unbiased for s in scores])
    variance = (2 / (n * (n - 1)) + 2 / (m * (m - 1)) + 4 / (n * m)) / 3
    error = (variance / repetitions) ** 0.5
    assert abs(unbiased.mean().item()) < 4 * error
    assert unbiased.var().item() == pytest.approx(variance, rel=0.15)
    predicted = torch.stack([s.null_std for s in scores]).square().mean()
    assert predicted.item() == pytest.approx(variance, rel=0.03)


def test_the_predicted_standard_deviation_holds_for_an_uncentred_kernel():
    n, m, repetitions = 15, 20, 1200
    bent = torch.tensor([0.0, 0.0, 1.5], dtype=torch.float64)
    points = torch.nn.functional.normalize(sphere(repetitions * (n + m), 2, 4) + bent, dim=-1)
    scores = [discrepancy(z[:n], z[n:], GaussianKernel(0.5)) for z in points.split(n + m)]
    predicted = torch.stack([s.null_std for s in scores]).square().mean().item()
    measured = torch.stack([s.unbiased for s in scores]).var().item()
    assert measured == pytest.approx(predicted, rel=0.15)


def test_different_distributions_are_detected_and_equal_ones_are_not():
    uniform, other = sphere(400, 2, 5), sphere(300, 2, 6)
    gram = GaussianKernel(median_distance(uniform).item())
    alike = discrepancy(uniform, other, gram)
    bent = torch.nn.functional.normalize(other + 0.5, dim=-1)
    apart = discrepancy(uniform, bent, gram)
    assert abs(alike.unbiased / alike.null_std) < 4
    assert apart.unbiased / apart.null_std > 20


@given(
    seed=st.integers(0, 2**31),
    widths=st.lists(st.floats(0.05, 20), min_size=1, max_size=3),
    rows=st.integers(1, 20),
)
def test_biased_estimates_are_nonnegative_and_independent_of_the_number_of_rows(seed, widths, rows):
    x, y = sphere(6, 3, seed).unflatten(1, (2, 2)), sphere(9, 3, seed + 1).unflatten(1, (2, 2))
    scores = discrepancy(x, y, GaussianKernel(*widths), rows=rows)
    assert scores.biased > -1e-12
    assert scores.biased > scores.unbiased
    torch.testing.assert_close(scores, discrepancy(x, y, GaussianKernel(*widths)))


def test_geodesic_distances_can_give_negative_discrepancies_and_chords_do_not():
    # Eight equally spaced points on a circle, alternating between the samples.
    angles = torch.arange(8, dtype=torch.float64) * math.tau / 8
    circle = torch.stack([angles.cos(), angles.sin()], dim=-1)

    def geodesic(x, y):
        return (-(linear(x, y).clamp(-1, 1).acos() ** 2) / (2 * 4**2)).exp()

    assert discrepancy(circle[::2], circle[1::2], geodesic).biased < -1e-4
    assert discrepancy(circle[::2], circle[1::2], GaussianKernel(4.0)).biased >= -1e-15


def test_the_median_chord_of_a_circle_and_of_a_large_set():
    # The median angle between uniform points is pi / 2: a chord of sqrt(2).
    assert median_distance(sphere(5000, 1, 7)).item() == pytest.approx(2**0.5, abs=0.03)
    rotations = torch.eye(3)[None] * torch.tensor([1.0, 2.0, 4.0])[:, None, None]
    assert median_distance(rotations).item() == pytest.approx(2 * 3**0.5)


def test_too_few_points_and_zero_bandwidths_are_refused():
    with pytest.raises(ValueError, match="got 1 and 5"):
        discrepancy(sphere(1, 2, 8), sphere(5, 2, 9), linear)
    with pytest.raises(ValueError, match="greater than zero"):
        GaussianKernel(1.0, 0.0)
    with pytest.raises(ValueError, match=r"greater than zero, got 0\.0"):
        median_distance(torch.ones(5, 3))
