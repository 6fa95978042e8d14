"""Precision, recall, density and coverage against closed forms and a direct double loop."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_fidelity.metric_prc import prc_features_to_metric

from eval.metrics.prdc import PRDC, prdc_scores


def normal(n: int, dim: int, seed: int) -> torch.Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sphere(n: int, dim: int, seed: int) -> torch.Tensor:
    return torch.nn.functional.normalize(normal(n, dim, seed), dim=1)


def direct(real: torch.Tensor, fake: torch.Tensor, k: int, j: int) -> dict[str, float]:
    """Compute the definitions point by point, for data without ties."""
    across = torch.cdist(real, fake, compute_mode="donot_use_mm_for_euclid_dist")
    r, f = (
        torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").sort(1).values
        for x in (real, fake)
    )
    n, m = across.shape
    in_real = [[bool(across[a, b] < r[a, j]) for b in range(m)] for a in range(n)]
    precision = np.mean([any(across[a, b] < r[a, k] for a in range(n)) for b in range(m)])
    recall = np.mean([any(across[a, b] < f[b, k] for b in range(m)) for a in range(n)])
    coverage = np.mean([any(row) for row in in_real])
    filled = np.mean([any(across[a, b] < f[b, j] for a in range(n)) for b in range(m)])
    return {
        "precision": precision,
        "recall": recall,
        "density": np.sum(in_real) / (j * m),
        "coverage": coverage,
        "symmetric_precision": min(precision, filled),
        "symmetric_recall": min(recall, coverage),
    }


def as_floats(scores: dict[str, torch.Tensor]) -> dict[str, float]:
    return {name: value.item() for name, value in scores.items()}


def test_scores_equal_their_definitions():
    real, fake = normal(30, 3, 0), normal(25, 3, 1) * 0.7 + 0.4
    got = prdc_scores(real, fake, precision_k=2, density_k=4, rows=7)
    assert as_floats(got) == pytest.approx(direct(real, fake, 2, 4))


def test_precision_and_recall_agree_with_torch_fidelity():
    real, fake = normal(200, 8, 2), normal(200, 8, 3) * 0.9
    theirs = prc_features_to_metric(
        fake, real, prc_neighborhood=3, prc_batch_size=64, verbose=False
    )
    got = prdc_scores(real, fake, precision_k=3)
    assert got["precision"].item() == pytest.approx(theirs["precision"])
    assert got["recall"].item() == pytest.approx(theirs["recall"])


def test_density_and_coverage_of_equal_distributions_match_the_closed_forms():
    n, k = 1500, 5
    scores = prdc_scores(normal(n, 8, 4), normal(n, 8, 5), density_k=k)
    expected = 1 - math.prod((n - i) / (2 * n - i) for i in range(1, k + 1))
    assert scores["density"].item() == pytest.approx(1, abs=0.05)
    assert scores["coverage"].item() == pytest.approx(expected, abs=0.015)


def test_balls_of_density_are_open_and_those_of_precision_closed():
    x = normal(300, 16, 6)
    scores = prdc_scores(x, x, precision_k=5, density_k=5, rows=64)
    # A point and k - 1 neighbours lie strictly inside a ball; closed balls would give 1.2.
    assert set(as_floats(scores).values()) == {1.0}
    closed = prdc_scores(x, x + 0, precision_k=1)
    assert closed["precision"] == closed["recall"] == 1


def test_far_from_the_origin_scores_are_the_same():
    real, fake = normal(200, 4, 8), normal(200, 4, 9)
    near = as_floats(prdc_scores(real, fake))
    assert 0 < near["precision"] < 1
    assert as_floats(prdc_scores(real + 1e6, fake + 1e6)) == pytest.approx(near, abs=0.011)
    far = as_floats(prdc_scores(1e4 * real + 1e10, 1e4 * fake + 1e10))
    assert far == pytest.approx(near, abs=0.011)


@pytest.mark.parametrize("seed", range(5))
def test_points_on_a_rim_are_in_closed_balls_only_however_the_plane_is_turned(seed):
    # Two parallel rows of points, as far apart as neighbours in them are.
    turn = torch.linalg.qr(normal(2, 2, seed)).Q
    real, fake = (
        torch.stack([torch.arange(24.0).double(), torch.full((24,), height).double()], 1) @ turn
        for height in (0.0, 1.0)
    )
    found = as_floats(prdc_scores(real, fake, precision_k=1, density_k=1))
    assert found["precision"] == found["recall"] == 1
    assert found["density"] == found["coverage"] == found["symmetric_precision"] == 0


def test_repeated_points_have_balls_of_radius_zero():
    x = normal(4, 8, 7).repeat_interleave(5, dim=0)
    scores = prdc_scores(x, x, precision_k=3, density_k=3)
    assert scores["precision"] == scores["recall"] == 1  # closed balls contain the point itself
    assert scores["density"] == scores["coverage"] == 0  # open balls of radius zero are empty


@pytest.mark.parametrize(("radius", "precision", "recall"), [(0.8, 1, 0), (1.2, 0, 1)])
def test_high_dimensions_make_precision_and_recall_asymmetric_but_not_the_symmetric_pair(
    radius, precision, recall
):
    scores = prdc_scores(
        sphere(400, 512, 8), radius * sphere(400, 512, 9), precision_k=5, density_k=5
    )
    assert (scores["precision"], scores["recall"]) == (precision, recall)
    assert scores["symmetric_precision"] == scores["symmetric_recall"] == 0


@settings(max_examples=20)
@given(st.integers(0, 1000), st.floats(0.01, 100), st.integers(1, 64))
def test_isometries_scaling_and_the_number_of_rows_change_nothing(seed, scale, rows):
    real, fake = normal(40, 4, seed), normal(35, 4, seed + 1) * 1.2
    rotation = torch.linalg.qr(normal(4, 4, seed + 2)).Q * scale
    expected = prdc_scores(real, fake)
    got = prdc_scores(real @ rotation + 3 * scale, fake @ rotation + 3 * scale, rows=rows)
    assert as_floats(got) == as_floats(expected)


def test_the_metric_equals_the_function_and_too_few_points_are_refused():
    real, fake = normal(50, 4, 10).float(), normal(60, 4, 11).float()
    metric, other = PRDC(), PRDC()
    metric.update(real, real=True)
    metric.update(fake[:20], real=False)
    other.update(fake[20:], real=False)
    metric.merge_state(other)
    assert as_floats(metric.compute()) == as_floats(prdc_scores(real, fake))
    with pytest.raises(ValueError, match=r"5 neighbours .* got 50 real and 5 fake"):
        prdc_scores(real, fake[:5])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_non_finite_features_are_refused(value):
    good, bad = normal(20, 3, 12), normal(20, 3, 13)
    bad[[4, 4, 9], [0, 1, 2]] = value
    with pytest.raises(ValueError, match=r"2 of 20 fake features are not finite"):
        prdc_scores(good, bad)
    with pytest.raises(ValueError, match=r"2 of 20 real features are not finite"):
        prdc_scores(bad, good)


def test_features_far_from_zero_score_as_those_around_it():
    real, fake = normal(60, 4, 20), normal(60, 4, 21) * 0.8
    # Moved by a power of two, and rounded before, so that moving them loses no digit.
    real, fake = ((1024 * x).round() / 1024 for x in (real, fake))
    moved = prdc_scores(real + 2.0**30, fake + 2.0**30)
    assert as_floats(moved) == as_floats(prdc_scores(real, fake))


def test_ties_of_a_rotated_lattice_are_those_of_the_lattice():
    axis = torch.arange(6.0, dtype=torch.float64)
    lattice = torch.cartesian_prod(axis, axis)
    turn = torch.tensor([[0.8, -0.6], [0.6, 0.8]], dtype=torch.float64)
    shifted = lattice + torch.tensor([1.0, 0.0], dtype=torch.float64)
    expected = as_floats(prdc_scores(lattice, shifted))
    assert 0 < expected["density"] != 1
    for angle in range(1, 9):
        turned = torch.linalg.matrix_power(turn, angle)
        assert as_floats(prdc_scores(lattice @ turned, shifted @ turned)) == expected
