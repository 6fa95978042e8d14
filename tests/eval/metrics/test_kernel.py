"""KID against closed forms of its expectation, torch-fidelity, and direct double sums."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import kid_features_to_metric

from eval.metrics.kernel import KernelDistance, kernel_distance, squared_mmd


def normal(n: int, dim: int, seed: int) -> torch.Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_estimate_equals_direct_sums_over_pairs():
    x, y = normal(5, 3, 0), normal(4, 3, 1) + 1

    def mean(pairs):
        return np.mean([(float(a @ b) / 3 + 1) ** 3 for a, b in pairs])

    xx = mean((a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j)
    yy = mean((a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j)
    expected = xx + yy - 2 * mean((a, b) for a in x for b in y)
    assert squared_mmd(x, y).item() == pytest.approx(expected, rel=1e-12)


def test_scaled_and_shifted_normals_match_their_closed_forms():
    # 3 (1 - s^2)^2 / d for a scale s; the polynomial of a = |mu|^2 for a shift, at d = 8.
    x, wide, shifted = normal(3000, 8, 2), normal(3000, 8, 3) * 2**0.5, normal(3000, 8, 4)
    shifted[:, 0] += 1
    assert squared_mmd(x, wide).item() == pytest.approx(0.375, abs=0.06)  # three standard errors
    assert squared_mmd(x, shifted).item() == pytest.approx(0.4941406, abs=0.09)


def test_the_estimate_is_unbiased_for_small_sets_of_equal_distribution():
    values = [squared_mmd(normal(10, 4, s), normal(10, 4, s + 10_000)).item() for s in range(4000)]
    error = np.std(values) / len(values) ** 0.5
    assert abs(np.mean(values)) < 4 * error  # a biased estimate would be off by about fifty
    assert min(values) < 0


def test_agrees_with_torch_fidelity_on_the_same_sets():
    x, y = normal(60, 5, 5), normal(60, 5, 6) * 1.3
    settings = dict(kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1)
    theirs = kid_features_to_metric(
        x, y, kid_subsets=1, kid_subset_size=60, verbose=False, **settings
    )
    ours = kernel_distance(x, y, subsets=1, subset_size=60)["mean"].item()
    assert ours == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-9)


def test_subsets_are_seeded_and_at_most_the_smaller_set():
    x, y = normal(50, 4, 7), normal(40, 4, 8) + 0.3
    first = kernel_distance(x, y, subsets=5, subset_size=20, seed=1)
    assert first == kernel_distance(x, y, subsets=5, subset_size=20, seed=1)
    assert first["mean"] != kernel_distance(x, y, subsets=5, subset_size=20, seed=2)["mean"]
    assert first["std"] > 0
    whole = kernel_distance(x[:40], y, subsets=3, subset_size=1000)
    assert whole["mean"].item() == pytest.approx(squared_mmd(x[:40], y).item(), rel=1e-9)
    assert whole["std"].item() == pytest.approx(0, abs=1e-12)


def test_the_metric_equals_the_function_for_any_order_of_batches_and_ranks():
    x, y = normal(50, 4, 9).float(), normal(40, 4, 10).float()
    metric, other = (KernelDistance(subsets=4, subset_size=16, seed=3) for _ in range(2))
    for rank, one in enumerate((metric, other)):  # ranks have every other sample
        for part in x[rank::2].split(7):
            one.update(part, real=True)
        one.update(y[rank::2], real=False)
    other.merge_state(metric)
    expected = kernel_distance(x, y, subsets=4, subset_size=16, seed=3)
    assert other.compute()["mean"].item() == pytest.approx(expected["mean"].item(), rel=1e-6)


def test_the_spread_over_subsets_is_divided_by_their_number():
    x, y = normal(50, 4, 7), normal(40, 4, 8) + 0.3
    generator, values = torch.Generator().manual_seed(1), []
    x, y = (one[one[:, 0].argsort()] for one in (x, y))
    for _ in range(5):
        parts = [one[torch.randperm(len(one), generator=generator)[:20]] for one in (x, y)]
        values.append(squared_mmd(*parts).item())
    found = kernel_distance(x, y, subsets=5, subset_size=20, seed=1)
    assert found["std"].item() == pytest.approx(np.std(values, ddof=0), rel=1e-9)


def test_sets_of_one_feature_are_refused_with_the_counts():
    with pytest.raises(ValueError, match="got 1 and 5"):
        squared_mmd(normal(1, 3, 11), normal(5, 3, 12))
