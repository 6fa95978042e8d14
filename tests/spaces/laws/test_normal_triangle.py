"""The normal distribution of matrix entries: its draws, and its density against the volume."""

import math

import pytest
import torch
from torch.testing import assert_close

from ldm.spaces import SPD, NormalTriangle


def test_entries_are_normal_around_a_multiple_of_the_identity():
    x = NormalTriangle(SPD(2)).random(20_000, torch.Generator().manual_seed(0))
    assert_close(x.mean(0), torch.tensor([3.0, 0.0, 3.0]), atol=4 * 0.5 / 141, rtol=0)
    assert_close(x.T.cov(), 0.25 * torch.eye(3), atol=0.015, rtol=0)


def test_the_density_is_against_the_volume_of_the_space():
    # For positive numbers the volume is dx / x.
    x = torch.tensor([[2.5], [4.0]], dtype=torch.float64)
    expected = -((x - 3) ** 2) / 0.5 - math.log(0.5 * math.sqrt(2 * math.pi)) + x.log()
    assert_close(NormalTriangle(SPD(1)).log_density(x), expected[:, 0])
    # Under draws of another law, the mean ratio is the mass: one.
    space = SPD(2)
    law, other = NormalTriangle(space), NormalTriangle(space, 3.2, 0.4)
    draws = law.random(50_000, torch.Generator().manual_seed(1), dtype=torch.float64)
    ratio = (other.log_density(draws) - law.log_density(draws)).exp()
    error = ratio.std().item() / math.sqrt(len(draws))
    assert ratio.mean().item() == pytest.approx(1, abs=4 * error)
    assert error < 0.02


def test_a_deviation_of_zero_is_refused():
    with pytest.raises(ValueError, match=r"must be above 0, got 3\.0 and 0"):
        NormalTriangle(SPD(2), std=0)
