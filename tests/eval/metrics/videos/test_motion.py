"""Shifts of frames that were shifted are measured exactly, those of moving objects closely."""

import pytest
import torch
from torch.testing import assert_close

from eval.metrics.videos import shifts, speeds


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_frames_that_wrap_around_shift_by_what_they_were_rolled():
    frame, steps = noise(3, 12, 20), [(0, 0), (2, -3), (-5, 9), (1, 0)]
    frames = [frame]
    for step in steps:
        frames.append(frames[-1].roll(step, (1, 2)))
    found = shifts(torch.stack(frames, 1)[None])
    assert_close(found, torch.tensor(steps).double()[None], atol=1e-2, rtol=0)
    # Brightness and contrast do not matter.
    assert_close(shifts(3 * torch.stack(frames, 1)[None] + 7), found)


def test_an_object_on_a_noisy_ground_is_followed_to_a_fraction_of_a_pixel():
    place = torch.arange(24.0)
    centres = 6 + 1.3 * torch.arange(6.0)
    blob = [(-(place - c).square() / 8).exp() for c in centres]
    clip = torch.stack([one[:, None] * blob[0] for one in blob])
    found = shifts((255 * clip + 4 * noise(6, 24, 24)).clamp(0, 255)[None, None])
    assert_close(found[..., 0], torch.full((1, 5), 1.3).double(), atol=0.2, rtol=0)
    assert found[..., 1].abs().max() < 0.2


def test_frames_that_show_nothing_have_no_speed_and_a_still_clip_none():
    assert (speeds(torch.full((2, 1, 5, 8, 8), 100, dtype=torch.uint8)) == 0).all()
    still = noise(1, 1, 1, 8, 8).expand(-1, -1, 4, -1, -1)
    assert_close(speeds(still), torch.zeros(1, 3).double())
    with pytest.raises(ValueError, match="two frames or more"):
        speeds(torch.zeros(1, 1, 1, 8, 8))


def test_the_speed_is_the_length_of_the_shift():
    frame = noise(16, 16)
    clip = torch.stack([frame, frame.roll((3, -4), (0, 1))])[None, None]
    assert_close(speeds(clip), torch.tensor([[5.0]]).double(), atol=1e-2, rtol=0)
