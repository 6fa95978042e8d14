"""Lines through the origin: a vector and its opposite are one point."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from ldm.spaces import ProjectiveSpace, Rotations, Sphere
from ldm.spaces.numerics.quaternions import rotation


def points(space: ProjectiveSpace, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [space.random(4, generator, dtype=torch.float64) for _ in range(2)]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), dim=st.integers(1, 5))
def test_signs_of_points_do_not_count(seed, dim):
    space = ProjectiveSpace(dim)
    x, y = points(space, seed)
    distance = torch.acos((x * y).sum(1).abs())
    for a, b in ((x, y), (-x, y), (x, -y), (-x, -y)):
        assert_close(space.distance(a, b), distance)
    log = space.log(x, y)
    assert_close(space.log(x, -y), log)
    assert_close(space.log(-x, y), -log)  # the same vector, spoken of at -x
    assert_close(space.transport(x, -y, log), -space.transport(x, y, log))
    assert_close(space.transport(-x, y, -log), space.transport(x, y, log))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_the_three_dimensional_one_is_that_of_rotations_at_half_the_size(seed):
    p, q = points(ProjectiveSpace(3), seed)
    half = Rotations().distance(rotation(p), rotation(q)) / 2
    assert_close(ProjectiveSpace(3).distance(p, q), half, atol=1e-12, rtol=1e-12)
    assert ProjectiveSpace(3).log_volume == pytest.approx(Rotations().log_volume - math.log(8))


def test_half_of_the_sphere_is_its_volume():
    assert ProjectiveSpace(2).log_volume == pytest.approx(math.log(2 * math.pi))
    assert ProjectiveSpace(2) != Sphere(2)


def test_embedded_a_line_has_no_sign():
    space = ProjectiveSpace(3)
    x, y = (space.random(20, torch.Generator().manual_seed(k), dtype=torch.float64) for k in (0, 1))
    assert_close(space.embed(-x), space.embed(x))
    straight = (space.embed(x) - space.embed(y)).norm(dim=1)
    assert_close(straight, math.sqrt(2) * space.distance(x, y).sin())
