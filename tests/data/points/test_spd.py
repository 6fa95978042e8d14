"""Wrapped normals on positive definite matrices, against the space and a closed form."""

import math

import pytest
import torch
from torch.testing import assert_close

from data import DataError, WrappedSPD
from ldm.spaces import SPD, WrappedNormal


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_density_and_points_agree_with_the_wrapped_normal_of_the_space(rows):
    law, space = WrappedSPD(rows), SPD(rows)
    centre = space.triangle(2 * torch.eye(rows, dtype=torch.float64))
    x = law.test_dataset.points[:500].double()
    space.check(x)
    axes = torch.ones(rows, rows).triu().nonzero().tolist()
    std = torch.tensor([0.2 if i == j else 0.2 * math.sqrt(2) for i, j in axes])
    expected = WrappedNormal(space, centre, std.double())
    assert_close(law.log_density(x), expected.log_density(x), rtol=1e-6, atol=1e-6)
    # Points: their coordinates at the centre are independent, of 0.20 on and 0.28 off the diagonal.
    x = law.test_dataset.points.double()
    c = expected._coordinates(space.log(centre.expand_as(x), x)) / expected.std
    assert_close(c.mT @ c / len(c), torch.eye(law.numbers).double(), atol=0.05, rtol=0)


def test_the_mean_nll_of_points_is_the_entropy_of_one_row():
    # For one row the logarithm is normal, of deviation 0.4 / 2.
    law = WrappedSPD(rows=1)
    entropy = 0.5 * (1 + math.log(2 * math.pi * 0.04))
    assert law.optimum() == pytest.approx(entropy, abs=4 * math.sqrt(0.5 / 20_000))


def test_the_centre_is_the_mode_where_all_eigenvalues_are_equal():
    law = WrappedSPD()
    at = law.log_density(torch.tensor([[2.0, 0.0, 2.0]]))
    assert at.item() == pytest.approx(-3 * math.log(0.2 * math.sqrt(2 * math.pi)) - math.log(2) / 2)


def test_points_can_be_drawn_beside_samples():
    law = WrappedSPD(size=50)
    assert law.show({"x": SPD(2).random(20)}).shape[0] == 3


def test_invalid_parameters_are_refused():
    with pytest.raises(DataError, match="scale must be a positive number, got"):
        WrappedSPD(scale=-1.0)
