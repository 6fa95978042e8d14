"""Requirements of Gaussian processes on their space."""

import pytest

from ldm.processes import GaussianDiffusion, LinearFlow
from ldm.spaces import Flat, Power, Product, Sphere


@pytest.mark.parametrize("process", [GaussianDiffusion, LinearFlow])
def test_noise_is_added_only_where_sums_of_points_are_points(process):
    for space in (Flat([3]), Power(Flat([2]), 4), Product([Flat([1]), Flat([2])])):
        assert process(space).space == space
    for space in (Sphere(2), Power(Sphere(1), 2), Product([Sphere(1), Flat([2])])):
        with pytest.raises(ValueError, match="would leave"):
            process(space)
