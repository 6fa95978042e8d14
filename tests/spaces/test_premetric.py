"""Premetrics against geodesics that are known."""

import pytest
import torch
from torch.testing import assert_close

from ldm.spaces import Flat, GeodesicDistance, Sphere

spaces = pytest.mark.parametrize("space", [Flat([3]), Sphere(2)], ids=repr)


def pair(space, n: int = 16):
    generator = torch.Generator().manual_seed(0)
    return [space.random(n, generator, dtype=torch.float64) for _ in range(2)]


def test_the_direction_in_flat_space_is_the_difference():
    x, z = pair(Flat([2, 3]))
    assert_close(GeodesicDistance(Flat([2, 3])).direction(x, z), z - x)


@spaces
def test_the_direction_is_the_distance_over_its_slope(space):
    x, z = pair(space)
    premetric = GeodesicDistance(space)
    y = x.clone().requires_grad_()
    distance = premetric.distance(y, z)
    slope = space.tangent(x, torch.autograd.grad(distance.sum(), y)[0])
    steepness = slope.square().sum(1, keepdim=True)
    assert_close(premetric.direction(x, z), -distance.detach()[:, None] * slope / steepness)
