"""A finite grid of integers."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch.testing import assert_close

from ldm.spaces import Lattice


@settings(max_examples=50, deadline=None)
@given(levels=st.integers(1, 9), lowest=st.integers(-9, 9), x=st.floats(-30, 30))
def test_project_finds_the_nearest_of_all_points(levels, lowest, x):
    every = torch.arange(lowest, lowest + levels, dtype=torch.float64)
    found = Lattice([1], levels, lowest).project(torch.tensor([[x]], dtype=torch.float64))
    assert found.item() in every.tolist()
    assert abs(found.item() - x) == (every - x).abs().min().item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_random_points_take_every_level_equally_often(dtype):
    lattice = Lattice([5000], levels=100, lowest=-50)
    x = lattice.random(10, torch.Generator().manual_seed(0), dtype=dtype)
    counts = torch.bincount((x.flatten().long() + 50), minlength=100)
    assert len(counts) == 100
    assert stats.chisquare(counts.numpy()).pvalue > 0.01


def test_probabilities_of_all_points_sum_to_one():
    lattice = Lattice([3], levels=4)
    every = torch.cartesian_prod(*[torch.arange(4, dtype=torch.float64)] * 3)
    assert_close(lattice.log_density(every).exp().sum(), torch.tensor(1.0, dtype=torch.float64))
    assert lattice.log_density(every)[0].item() == pytest.approx(-3 * math.log(4))


def test_a_step_ends_on_the_lattice_and_inside_it():
    x = torch.tensor([[0.0, 2.0, 4.0]])
    v = torch.tensor([[0.6, -0.4, 3.0]])
    assert_close(Lattice([3], 5).exp(x, v), torch.tensor([[1.0, 2.0, 4.0]]))


def test_no_levels_are_refused():
    with pytest.raises(ValueError, match="1 level or more, got 0"):
        Lattice([3], 0)


class TestMask:
    mask = torch.tensor([[True, True, False], [True, False, False]])
    whole = Lattice([2, 3], levels=5, lowest=-2)
    view = whole.on({"mask": mask})

    def test_places_that_are_not_occupied_hold_zeros_and_count_for_nothing(self):
        x = self.view.random(2, torch.Generator().manual_seed(0))
        assert not x[~self.mask[:, None].expand_as(x)].any()
        assert_close(self.view.project(x + 0.3), x)
        assert not self.view.random_tangent(x)[~self.mask[:, None].expand_as(x)].any()
        assert self.view.entries.tolist() == self.view.directions.tolist() == [4, 2]
        assert_close(self.view.log_density(x), -math.log(5) * torch.tensor([4.0, 2.0]))
        assert self.view.features(x).shape == (2, 3)
        shifted = self.view.affine(x, torch.ones(2), torch.ones(2))
        assert_close(shifted, torch.where(self.mask[:, None], x + 1, 0))

    def test_the_coordinates_of_a_sample_do_not_depend_on_the_padding(self):
        wide = Lattice([2, 9], levels=5, lowest=-2)
        x = torch.zeros(1, 2, 3)
        mask = torch.tensor([[True, True, False]])
        narrow = self.whole.on({"mask": mask}).frame(x, torch.arange(6.0)[None])
        padded = torch.nn.functional.pad(mask, (0, 6))
        broad = wide.on({"mask": padded}).frame(torch.zeros(1, 2, 9), torch.arange(18.0)[None])
        assert_close(broad[..., :3], narrow)
        assert narrow[0].tolist() == [[0, 2, 0], [1, 3, 0]]

    def test_a_mask_of_other_places_says_nothing(self):
        assert self.whole.on({"mask": torch.ones(2, 7, dtype=torch.bool)}) is self.whole
        assert self.whole.on({}) is self.whole
