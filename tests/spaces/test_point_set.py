"""Point sets against closed forms; the laws of every space are in the other files."""

import math

import pytest
import torch
from scipy.linalg import helmert
from torch.testing import assert_close

from ldm.randomness import sample_generators
from ldm.spaces import PointSet

COUNTS = torch.tensor([5, 3, 1])
MASK = torch.arange(5) < COUNTS[:, None]
SPACE = PointSet(5, 3, 2)
VIEW = SPACE.on({"mask": MASK})


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_sample_has_three_directions_fewer_than_numbers():
    assert (SPACE.dim, SPACE.entries, SPACE.directions) == (22, 25, 22)
    assert VIEW.entries.tolist() == (5 * COUNTS).tolist()
    assert VIEW.directions.tolist() == (3 * (COUNTS - 1) + 2 * COUNTS).tolist()
    empty = PointSet(5).on({"mask": torch.zeros(1, 5).bool()})
    assert empty.directions.tolist() == [0]
    assert empty.random(1, generator(0)).tolist() == torch.zeros(1, 5, 3).tolist()


def test_noise_has_the_variances_of_the_subspace():
    n = 20_000
    view = PointSet(4).on({"mask": torch.tensor([[True, True, True, False]])})
    x = view.random(n, generator(0), dtype=torch.float64)
    assert_close(x.sum(1), torch.zeros(n, 3, dtype=x.dtype), atol=1e-12, rtol=0)
    between = torch.einsum("npd,nqd->pq", x, x) / (3 * n)
    expected = torch.eye(4, dtype=x.dtype) - 1 / 3
    expected[3], expected[:, 3] = 0, 0
    assert_close(between, expected, atol=0.02, rtol=0)  # standard error 0.006
    assert x.square().sum((1, 2)).mean().item() == pytest.approx(6, abs=0.1)


def test_the_nearest_set_with_a_known_part_has_it_but_for_its_place():
    x, y = (VIEW.random(3, generator(k), dtype=torch.float64) for k in (0, 1))
    kept = torch.tensor([True, False, True, True, False])[None, :, None]
    found = VIEW.replace(x, y, kept)
    VIEW.check(found)
    both = MASK & kept[..., 0]
    for row, places in enumerate(both):
        shift = (found - y)[row, places]
        assert_close(shift[:, :3], shift[:, :3].mean(0).expand(len(shift), 3))
        assert_close(shift[:, 3:], torch.zeros(len(shift), 2).double())
    # None of the sets that agree with y as much is nearer: what differs is orthogonal to the rest.
    for seed in range(20):
        other = VIEW.replace(VIEW.random(3, generator(seed), dtype=torch.float64), y, kept)
        dot = VIEW.inner(x, found - x, other - found)
        assert_close(dot, torch.zeros_like(dot), atol=1e-12, rtol=0)


def test_a_sample_of_its_own_generator_does_not_depend_on_its_padding():
    wide = PointSet(40, 3, 2).on({"mask": torch.arange(40) < COUNTS[:, None]})
    narrow = VIEW.random(3, sample_generators(0, range(3)))
    assert torch.equal(wide.random(3, sample_generators(0, range(3)))[:, :5], narrow)


def test_the_density_is_that_of_the_subspace():
    x = VIEW.random(3, generator(0), dtype=torch.float64)
    for row, count in enumerate(COUNTS.tolist()):
        basis = torch.from_numpy(helmert(count))
        inside = torch.einsum("jp,pd->jd", basis, x[row, :count, :3])
        coordinates = torch.cat([inside.flatten(), x[row, :count, 3:].flatten()])
        expected = torch.distributions.Normal(0.0, 1.0).log_prob(coordinates).sum()
        assert_close(VIEW.log_density(x)[row], expected)
    half = VIEW.heat_kernel.log_density(x, torch.zeros_like(x), torch.full((3,), 0.5).double())
    scaled = VIEW.log_density(x * math.sqrt(2)) + VIEW.directions * math.log(2) / 2
    assert_close(half, scaled)


def test_its_frame_is_helmerts_in_the_places_that_hold_points():
    mask = torch.tensor([[False, True, True, False, True]])
    c = torch.randn(1, SPACE.dim, generator=generator(0), dtype=torch.float64)
    found = SPACE.on({"mask": mask}).frame(torch.zeros(1, 5, 5).double(), c)
    own = c[0, :12].view(4, 3)[[1, 3]]  # of the second and third point
    expected = torch.from_numpy(helmert(3)).T @ own
    assert_close(found[0, mask[0], :3].abs(), expected.abs())
    assert_close(found[0, mask[0], 3:], c[0, 12:].view(5, 2)[mask[0]])
    assert not found[0, ~mask[0]].any()


def test_moments_scale_positions_by_one_number_and_never_shift_them():
    mean, std = torch.arange(5.0), torch.tensor([1.0, 1.0, 2.0, 3.0, 4.0])
    shift, scale = SPACE.moments(mean, std)
    assert shift.tolist() == [0, 0, 0, 3, 4]
    assert_close(scale, torch.tensor([2**0.5] * 3 + [3.0, 4.0]))
    x = VIEW.random(3, generator(0), dtype=torch.float64)
    moved = VIEW.affine(x, scale, shift)
    VIEW.check(moved)
    assert_close(VIEW.affine(moved, 1 / scale, -shift / scale), x)
    assert VIEW.features(x).shape == (5, 9)


def test_a_set_of_no_places_is_refused():
    with pytest.raises(ValueError, match="1 place or more"):
        PointSet(0)


def test_features_alone_are_numbers_that_nothing_ties():
    space = PointSet(5, 0, 2).on({"mask": MASK})
    x = space.random(3, generator(0), dtype=torch.float64)
    space.check(x)
    assert space.directions.tolist() == space.entries.tolist() == (2 * COUNTS).tolist()
    each = torch.distributions.Normal(0.0, 1.0).log_prob(x).sum(2)
    assert_close(space.log_density(x), torch.where(MASK, each, 0).sum(1))
    assert PointSet(5, 0, 2).moments(torch.ones(2), torch.full((2,), 3.0))[1].tolist() == [3, 3]
    with pytest.raises(ValueError, match="1 coordinate or feature"):
        PointSet(5, 0, 0)
