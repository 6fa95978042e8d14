"""Brightness and contrast of frames, and how they change from a clip's beginning to its end."""

import torch
from torch.testing import assert_close

from eval.metrics.videos import brightness, contrast, late_change


def test_brightness_and_contrast_are_moments_of_a_frame():
    clip = torch.zeros(1, 2, 3, 2, 2, dtype=torch.uint8)
    clip[:, 0, 1], clip[:, :, 2] = 200, 50
    assert brightness(clip).tolist() == [[0, 100, 50]]
    assert contrast(clip).tolist() == [[0, 100, 0]]


def test_a_clip_that_fades_changes_by_what_it_loses_between_its_quarters():
    levels = 200 - 10 * torch.arange(16.0)
    clip = levels.view(1, 1, 16, 1, 1).expand(3, 1, -1, 4, 4)
    assert_close(late_change(brightness(clip)), torch.full((3,), -120.0).double())
    assert_close(late_change(contrast(clip)), torch.zeros(3).double())
    assert (late_change(torch.ones(2, 1)) == 0).all()
