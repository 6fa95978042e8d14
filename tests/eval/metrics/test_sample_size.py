"""Effective sample sizes against a closed form and the direct formula, and their invariances."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eval.metrics.sample_size import effective_sample_size

WEIGHTS = st.lists(st.floats(-30, 30), min_size=1, max_size=50)


@given(WEIGHTS)
def test_the_result_equals_the_direct_formula_and_is_within_its_bounds(log_weight):
    log_weight = torch.tensor(log_weight, dtype=torch.float64)
    weight = log_weight.exp()
    got = effective_sample_size(log_weight, torch.zeros(len(weight))).item()
    plain = weight.mean() ** 2 / weight.square().mean()
    assert got == pytest.approx(plain.item(), rel=1e-10)
    assert 1 / len(weight) <= got <= 1


@given(WEIGHTS, st.floats(-1e5, 1e5), st.floats(-1e5, 1e5))
def test_constants_added_to_log_densities_change_nothing(log_weight, target, model):
    log_weight = torch.tensor(log_weight, dtype=torch.float64)
    zero = torch.zeros_like(log_weight)
    got = effective_sample_size(log_weight + target, zero + model)
    torch.testing.assert_close(got, effective_sample_size(log_weight, zero), rtol=1e-7, atol=0)


def test_two_normals_match_the_closed_form():
    # For model N(0, 1) and target N(mu, 1), mean w^2 = exp(mu^2).
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(100_000, generator=generator, dtype=torch.float64)
    got = effective_sample_size(-0.5 * (x - 0.7) ** 2, -0.5 * x**2)
    assert got.item() == pytest.approx(math.exp(-0.49), abs=0.02)


def test_equal_weights_give_one_and_a_single_weight_gives_one_over_n():
    action = torch.linspace(-9e4, 9e4, 10)
    assert effective_sample_size(action, action - 5).item() == pytest.approx(1, abs=1e-12)
    assert effective_sample_size(action, torch.zeros(10)).item() == pytest.approx(0.1)


def test_invalid_log_weights_are_refused():
    for target in ([0.0, torch.nan], [0.0, torch.inf], [-torch.inf, -torch.inf], []):
        with pytest.raises(ValueError, match="expected finite log weights"):
            effective_sample_size(torch.tensor(target), torch.zeros(len(target)))
