"""Distributions of training times."""

import pytest
import torch
from torch.testing import assert_close

from ldm.processes import LinearFlow, LogitNormal
from ldm.spaces import Flat


def test_logits_are_normal_with_the_mean_and_deviation():
    times = LogitNormal(mean=1.2, std=0.7)(200_000, torch.Generator().manual_seed(0), "cpu")
    assert 0 < times.min() < times.max() < 1
    logits = times.logit()
    assert_close(logits.mean().item(), 1.2, atol=0.01, rtol=0)  # six standard errors
    assert_close(logits.std().item(), 0.7, atol=0.01, rtol=0)
    assert_close(times.median().item(), torch.tensor(1.2).sigmoid().item(), atol=0.002, rtol=0)


def test_a_flow_draws_its_training_times_from_the_distribution_it_is_given():
    times = LogitNormal(mean=4.0, std=0.1)
    found = LinearFlow(Flat([2]), times).random_times(5, torch.Generator().manual_seed(0), "cpu")
    assert torch.equal(found, times(5, torch.Generator().manual_seed(0), "cpu"))
    uniform = LinearFlow(Flat([2])).random_times(1000, torch.Generator().manual_seed(0), "cpu")
    assert_close(uniform.mean().item(), 0.5, atol=0.03, rtol=0)


def test_a_deviation_of_zero_is_refused():
    with pytest.raises(ValueError, match="above 0, got 0"):
        LogitNormal(std=0)
