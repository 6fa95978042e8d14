"""Codes: drawn evenly, compared by equality, and refused wherever directions are needed."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from ldm.processes import GaussianDiffusion
from ldm.randomness import sample_generators
from ldm.spaces import Categorical

CODES = Categorical([3, 4], vocabulary=7)


def draw(n: int, seed: int = 0) -> torch.Tensor:
    return CODES.random(n, torch.Generator().manual_seed(seed))


def test_codes_are_drawn_evenly_from_the_whole_vocabulary():
    codes = draw(5000)
    CODES.check(codes)
    assert codes.dtype == torch.int64
    assert codes.shape == (5000, 3, 4)
    share = codes.flatten().bincount(minlength=7) / codes.numel()
    assert_close(share, torch.full((7,), 1 / 7), rtol=0, atol=4 * (6 / 49 / codes.numel()) ** 0.5)


def test_a_point_is_its_generators_whatever_its_neighbours():
    together = CODES.random(3, sample_generators(0, range(3)))
    assert torch.equal(together[1:2], CODES.random(1, sample_generators(0, [1])))


def test_the_density_is_that_of_uniform_codes_and_sums_to_one():
    pairs = Categorical([2], vocabulary=3)
    every = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    assert_close(pairs.log_density(every).exp().sum(), torch.tensor(1.0))
    assert pairs.log_volume == pytest.approx(math.log(9))
    assert CODES.dim == CODES.entries == 12


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_the_distance_is_a_metric_that_counts_what_differs(seed):
    x, y, z = draw(3 * 8, seed).split(8)
    assert_close(
        CODES.distance(x, y),
        torch.stack([(a != b).sum() for a, b in zip(x, y, strict=True)]).float(),
    )
    assert torch.equal(CODES.distance(x, y), CODES.distance(y, x))
    assert not CODES.distance(x, x).any()
    assert (CODES.distance(x, z) <= CODES.distance(x, y) + CODES.distance(y, z)).all()
    chords = (CODES.embed(x) - CODES.embed(y)).square().sum(1)
    assert_close(chords, 2 * CODES.distance(x, y))


def test_projection_rounds_and_clamps_and_keeps_codes():
    x = torch.tensor([[-3.0, 0.4, 0.6, 9.0]]).expand(3, 4)[None]
    assert CODES.project(x)[0, 0].tolist() == [0, 0, 1, 6]
    assert torch.equal(CODES.project(draw(4)), draw(4))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (torch.zeros(1, 3, 4), "must be integers, got torch.float32"),
        (torch.full((1, 3, 4), 7), "must be 0 to 6, got 7 to 7"),
        (torch.full((1, 3, 4), -1), "must be 0 to 6, got -1 to -1"),
    ],
)
def test_what_are_no_codes_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        CODES.check(wrong)


@pytest.mark.parametrize("law", ["exp", "log", "tangent", "frame", "inner", "transport"])
def test_what_needs_directions_is_refused_and_a_prior_over_codes_named(law):
    arguments = [draw(2)] * (3 if law in ("inner", "transport") else 2)
    with pytest.raises(ValueError, match="set the prior to one over codes, autoregressive or"):
        getattr(CODES, law)(*arguments)


def test_no_gaussian_noise_is_added_to_codes():
    with pytest.raises(ValueError, match="adds noise to points, which would leave Categorical"):
        GaussianDiffusion(CODES)


def test_normalisation_leaves_codes_as_they_are():
    codes = draw(4)
    assert CODES.features(codes).shape == (3, 16)
    shift, scale = CODES.moments(torch.tensor([3.0, 2.0, 1.0]), torch.tensor([2.0, 1.0, 1.0]))
    assert (shift.tolist(), scale.tolist()) == ([0, 0, 0], [1, 1, 1])
    assert torch.equal(CODES.affine(codes, scale, shift), codes)


def test_an_empty_vocabulary_is_refused():
    with pytest.raises(ValueError, match="1 code or more, got 0"):
        Categorical([2], vocabulary=0)


def test_its_name_tells_it_from_others():
    assert repr(CODES) == "Categorical(3, 4, vocabulary=7)"
    assert Categorical([3, 4], vocabulary=8) != CODES
