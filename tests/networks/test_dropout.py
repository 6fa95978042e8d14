"""Dropout by drawn bits: the share and the mean of what is kept, its gradient, and its limits."""

import pytest
import torch
from torch.testing import assert_close

from ldm.networks.dropout import Dropout


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_a_share_is_dropped_and_the_mean_kept(rate):
    torch.manual_seed(0)
    x = torch.ones(7, 11_003)  # of a number of elements that 4 does not divide
    found = Dropout(rate)(x)
    kept = found != 0
    assert_close(kept.double().mean().item(), 1 - rate, atol=0.006, rtol=0)
    assert_close(found[kept].unique(), torch.tensor([1 / (1 - rate)]), atol=1e-4, rtol=1e-4)
    assert_close(kept[0, ::2].double().mean().item(), 1 - rate, atol=0.03, rtol=0)


def test_the_gradient_is_that_of_what_was_kept_and_draws_follow_the_seed():
    x = torch.randn(50, 3, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(1)
    found = Dropout(0.3)(x)
    found.sum().backward()
    assert_close(found, x * x.grad)
    assert set(x.grad.unique().tolist()) == {0.0, x.grad.max().item()}
    torch.manual_seed(1)
    assert torch.equal(Dropout(0.3)(x), found)
    assert not torch.equal(Dropout(0.3)(x), found)


def test_nothing_is_dropped_in_evaluation_or_at_rate_zero_and_all_at_rate_one():
    x = torch.randn(20)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
    assert not Dropout(1.0)(x).any()
