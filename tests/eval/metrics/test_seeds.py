"""Confidence intervals against SciPy's, and their coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from eval.metrics.seeds import seed_spread


@given(st.lists(st.integers(-1000, 1000).map(float), min_size=2, max_size=12, unique=True))
def test_the_interval_agrees_with_scipy(values):
    spread = seed_spread(values)
    error = stats.sem(values)
    low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=error)
    assert spread.mean == pytest.approx((low + high) / 2, abs=1e-9)
    assert spread.half_width == pytest.approx((high - low) / 2, rel=1e-6, abs=1e-9)
    assert spread.std == pytest.approx(error * len(values) ** 0.5)
    assert spread.n == len(values)


def test_the_half_width_of_five_seeds_is_1_24_standard_deviations():
    spread = seed_spread([0.1, 0.5, -0.2, 0.7, 0.3])
    assert spread.half_width / spread.std == pytest.approx(1.2417, abs=1e-4)


def test_95_percent_of_intervals_contain_the_mean():
    draws = np.random.default_rng(0).normal(3, 2, (2000, 5))
    held = np.mean([abs(s.mean - 3) < s.half_width for s in map(seed_spread, draws.tolist())])
    assert held == pytest.approx(0.95, abs=0.015)


def test_one_seed_and_non_finite_results_are_refused():
    with pytest.raises(ValueError, match="two finite values or more"):
        seed_spread([1.0])
    with pytest.raises(ValueError, match="nan"):
        seed_spread([1.0, float("nan"), 2.0])
