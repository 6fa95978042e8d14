"""The map to angles of Brownian motion against the distribution functions that it equates."""

import math

import pytest
import torch
from torch.testing import assert_close

from ldm.spaces.heat_kernels.radial_map import _mass, stretch


def chi(r: torch.Tensor, dim: int) -> torch.Tensor:
    return torch.special.gammainc(torch.tensor(dim / 2, dtype=torch.float64), r.square() / 2)


@pytest.mark.parametrize("dim", [2, 3, 8, 127, 511])
def test_angles_have_the_distribution_of_the_kernel(dim):
    r = torch.linspace(max(0.01, math.sqrt(dim) - 4), math.sqrt(dim) + 4, 161).double()
    for scaled in (2e-6, 0.02, 0.2, 1.0, 2.4, 4.0, 10.0, 40.0):
        s = torch.full((161,), scaled / dim, dtype=torch.float64)
        angle = r * stretch(r, s, dim)
        assert (angle.diff() > -1e-3).all()  # nearly monotone, even in the last 1e-6 of the tail
        mass = _mass(angle[None, :-1], angle.diff()[None], s[:1], dim)[0]
        start = _mass(torch.zeros(1, 1).double(), angle[:1, None], s[:1], dim)[0]
        reached = torch.cat([start, mass]).cumsum(0)
        assert_close(reached, chi(r, dim), rtol=0, atol=5e-7)


def test_at_infinite_variance_on_s2_the_map_has_its_closed_form():
    r = torch.linspace(0.01, 5, 50).double()
    angle = r * stretch(r, torch.full((50,), math.inf).double(), 2)
    assert_close((1 + angle.cos()) / 2, (-r.square() / 2).exp(), rtol=0, atol=5e-7)


@pytest.mark.parametrize("dim", [2, 127])
def test_at_small_variance_the_map_multiplies_by_the_standard_deviation(dim):
    r, s = (
        torch.linspace(0.5, 3, 20).double() * math.sqrt(dim / 2),
        torch.full((20,), 1e-8).double(),
    )
    assert_close(stretch(r, s, dim), s.sqrt(), rtol=1e-5, atol=0)
