"""The Euclidean space against an independent library."""

import torch
from scipy import stats
from torch.testing import assert_close

from ldm.spaces import Flat


def test_the_density_is_the_standard_normal_s():
    x = Flat([2, 3]).random(5, dtype=torch.float64)
    expected = stats.multivariate_normal(mean=[0.0] * 6).logpdf(x.flatten(1).numpy())
    assert_close(Flat([2, 3]).log_density(x), torch.from_numpy(expected))


def test_random_points_follow_it():
    x = Flat([10, 20]).random(25, torch.Generator().manual_seed(0))
    assert stats.kstest(x.flatten().numpy(), "norm").pvalue > 0.01


def test_its_moments_are_those_measured():
    mean, std = torch.tensor([1.0, -2.0]), torch.tensor([3.0, 0.5])
    assert Flat([2, 4]).moments(mean, std) == (mean, std)
