"""The inception score against closed forms and torch-fidelity, and its splits."""

import math

import pytest
import torch
from torch_fidelity.metric_isc import isc_features_to_metric

from eval.metrics.inception_score import InceptionScore, inception_score


def logits(n: int, classes: int = 10, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, classes, generator=torch.Generator().manual_seed(seed)) * 3


@pytest.mark.parametrize(
    ("p", "expected"), [(1.0, 10.0), (0.1, 1.0), (0.9, 5.79955)], ids=["sure", "blind", "mostly"]
)
def test_balanced_predictions_match_the_closed_form(p, expected):
    table = torch.full((10, 10), (1 - p) / 9).fill_diagonal_(p).log().clamp(min=-1e4)
    scores = inception_score(table.repeat(20, 1), splits=10, seed=None)
    assert scores["mean"].item() == pytest.approx(expected, rel=1e-5)
    assert scores["std"].item() == pytest.approx(0, abs=1e-6)


def test_agrees_with_torch_fidelity_over_ordered_splits():
    x = logits(200)
    theirs = isc_features_to_metric(x, splits=4, shuffle=False)
    ours = inception_score(x, splits=4, seed=None)
    assert ours["mean"].item() == pytest.approx(theirs["inception_score_mean"], rel=1e-6)
    assert ours["std"].item() == pytest.approx(theirs["inception_score_std"], rel=1e-6)


def test_the_shuffle_makes_the_score_independent_of_class_order_and_is_seeded():
    x = 50 * torch.eye(10).repeat_interleave(50, dim=0)  # sorted by class
    assert inception_score(x, splits=10, seed=None)["mean"].item() == pytest.approx(1)
    assert inception_score(x, splits=10, seed=0)["mean"] > 8
    assert inception_score(x, seed=5) == inception_score(x, seed=5)


def test_a_constant_added_to_the_logits_of_an_image_changes_nothing():
    x = logits(60)
    shifted = x + torch.linspace(-40, 40, 60)[:, None]
    got, expected = inception_score(shifted, splits=3), inception_score(x, splits=3)
    assert math.isclose(got["mean"], expected["mean"], rel_tol=1e-4)


def test_the_metric_equals_the_function_and_too_few_images_are_refused():
    x = logits(47)
    metric = InceptionScore(splits=5, seed=2)
    for part in x.split(10):
        metric.update(part)
    assert metric.compute() == inception_score(x, splits=5, seed=2)
    with pytest.raises(ValueError, match="10 splits need as many pictures or more, got 4"):
        inception_score(x[:4])
