"""Clips are brought to a square by frames, in the ways of published evaluators."""

import pytest
import torch
from torch.testing import assert_close

from eval.extractors.videos.resize import CLIP_RESIZES


def clip(height: int, width: int) -> torch.Tensor:
    return torch.rand(2, 3, 4, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", CLIP_RESIZES)
def test_frames_become_square_and_do_not_mix(name):
    x, resize = clip(10, 16), CLIP_RESIZES[name]
    y = resize(x, 8)
    assert y.shape == (2, 3, 4, 8, 8)
    assert_close(resize(x[:, :, 2:3], 8), y[:, :, 2:3])
    assert_close(resize(torch.full_like(x, 0.3), 8), torch.full_like(y, 0.3))


def test_squares_are_the_same_by_all_but_tensorflows_corners():
    x = clip(10, 10)
    squash, cover, square, corners = (resize(x, 16) for resize in CLIP_RESIZES.values())
    assert_close(cover, squash)
    assert_close(square, squash)
    assert (corners - squash).abs().max() > 0.05
    assert_close(corners[..., 0, 0], x[..., 0, 0])


def test_covering_keeps_the_shape_of_things_and_cuts_the_middle_out():
    x = torch.zeros(1, 1, 1, 8, 16)
    x[..., 4:12] = 1
    assert (CLIP_RESIZES["cover"](x, 8) == 1).all()
    assert (CLIP_RESIZES["square"](x, 8) == 1).all()
    assert CLIP_RESIZES["squash"](x, 8).mean() == pytest.approx(0.5)
