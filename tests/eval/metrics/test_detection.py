"""Detection scores against TorchMetrics, scikit-learn and closed forms; rank invariance."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_auroc, binary_average_precision

from eval.metrics.detection import detection_scores

SCORES = st.lists(st.integers(-5, 5), min_size=1, max_size=40)


def normal(n: int, mean: float, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return mean + torch.randn(n, generator=generator, dtype=torch.float64)


@given(SCORES, SCORES)
def test_areas_agree_with_torchmetrics_with_and_without_ties(inside, outside):
    inside, outside = (torch.tensor(x, dtype=torch.float64) for x in (inside, outside))
    scores = detection_scores(inside, outside)
    # TorchMetrics applies a sigmoid to scores outside [0, 1].
    both = (torch.cat([inside, outside]) + 5) / 10
    labels = torch.cat([torch.ones(len(inside)), torch.zeros(len(outside))]).long()
    expected = {
        "auroc": binary_auroc(both, labels),
        "aupr_in": binary_average_precision(both, labels),
        "aupr_out": binary_average_precision(1 - both, 1 - labels),
    }
    for name, value in expected.items():
        assert scores[name].item() == pytest.approx(value.item(), abs=1e-6), name


def test_agrees_with_scikit_learn_on_log_likelihoods_of_thousands_of_nats():
    metrics = pytest.importorskip("sklearn.metrics")
    inside, outside = 300 * normal(500, 0, 0) - 4000, 300 * normal(700, -1, 1) - 4000
    both = torch.cat([inside, outside]).numpy()
    labels = [1] * 500 + [0] * 700
    false, true, _ = metrics.roc_curve(labels, both, drop_intermediate=False)
    scores = detection_scores(inside, outside)
    assert scores["auroc"].item() == pytest.approx(metrics.roc_auc_score(labels, both), abs=1e-12)
    precision = metrics.average_precision_score(labels, both)
    assert scores["aupr_in"].item() == pytest.approx(precision, abs=1e-12)
    assert scores["fpr95_test"].item() == pytest.approx(false[true >= 0.95][0], abs=1e-12)


def test_two_shifted_normals_match_the_closed_form():
    # AUROC is Phi(shift / sqrt 2); FPR95 is Phi(1.645 - shift).
    scores = detection_scores(normal(20_000, 2, 2), normal(20_000, 0, 3), normal(20_000, 2, 4))
    assert scores["auroc"].item() == pytest.approx(0.5 * (1 + math.erf(1)), abs=0.006)
    for name in ("fpr95_test", "fpr95_val"):
        assert scores[name].item() == pytest.approx(0.3612, abs=0.03), name
    assert scores["tpr_val"].item() == pytest.approx(0.95, abs=0.01)


def test_the_validation_threshold_is_independent_of_the_test_scores():
    inside, outside = torch.arange(100.0), torch.arange(-50.0, 50.0)
    scores = detection_scores(inside, outside, validation=inside + 20)
    assert scores["fpr95_test"].item() == 0.45  # 5 to 49
    assert scores["fpr95_val"].item() == 0.25  # 25 to 49
    assert scores["tpr_val"].item() == 0.75
    assert "fpr95_val" not in detection_scores(inside, outside)


@given(SCORES, SCORES, SCORES)
def test_scores_depend_on_the_order_only_and_minus_infinity_is_allowed(inside, outside, validation):
    raw = [torch.tensor(x, dtype=torch.float64) for x in (inside, outside, validation)]
    bent = [torch.where(x == -5, -torch.inf, x.exp()) for x in raw]
    torch.testing.assert_close(detection_scores(*bent), detection_scores(*raw), rtol=0, atol=0)


def test_empty_scores_and_nan_are_refused():
    with pytest.raises(ValueError, match="got 0 of 0 outside"):
        detection_scores(torch.ones(3), torch.ones(0))
    with pytest.raises(ValueError, match="got 1 of 2 validation"):
        detection_scores(torch.ones(3), torch.ones(3), torch.tensor([0.0, torch.nan]))
