"""Haar transforms: shapes, order of bands, round trips with both constants, and causality."""

import pytest
import torch
from torch.nn.functional import conv3d
from torch.testing import assert_close

from ldm.networks.videos.haar import SCALES, haar2, haar3, inverse_haar2, inverse_haar3


def clip(*shape: int, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


@pytest.mark.parametrize(("name", "factor"), [("published", 1.00026368), ("exact", 1.0)])
def test_a_round_trip_multiplies_by_eight_squares_of_the_constant(name, factor):
    x, scale = clip(1, 3, 9, 16, 16, dtype=torch.float32), SCALES[name]
    bands = haar3(x, scale)
    assert bands.shape == (1, 24, 5, 8, 8)
    assert 8 * scale**2 == pytest.approx(factor, abs=1e-12)
    back = inverse_haar3(bands, scale)
    assert back.shape == x.shape
    assert_close(back / (8 * scale**2), x, atol=5e-7, rtol=0)


def test_frames_come_back_from_their_four_bands():
    x = clip(2, 3, 5, 8, 6, dtype=torch.float32)
    assert haar2(x).shape == (2, 12, 5, 4, 3)
    assert_close(inverse_haar2(haar2(x)), x, atol=3e-7, rtol=0)


def test_a_constant_clip_is_in_the_low_band_alone():
    bands = haar3(torch.ones(1, 3, 9, 16, 16), SCALES["published"])
    assert_close(bands[:, :3], torch.full((1, 3, 5, 8, 8), 2.8288))
    assert not bands[:, 3:].any()


def test_bands_are_convolutions_with_signs_of_time_height_and_width_in_order():
    x = clip(1, 1, 5, 6, 8)
    low, high = torch.tensor([1.0, 1.0]).double(), torch.tensor([1.0, -1.0]).double()
    kernels = [
        torch.einsum("t,h,w->thw", high if t else low, high if h else low, high if w else low)
        for t in (0, 1)
        for h in (0, 1)
        for w in (0, 1)
    ]
    repeated = torch.cat([x[:, :, :1], x], 2)
    expected = conv3d(repeated, torch.stack(kernels)[:, None], stride=2) * 0.3536
    assert_close(haar3(x, SCALES["published"]), expected)
    assert_close(
        haar2(x)[:, :, 0],
        conv3d(x, torch.stack(kernels[:4])[:, None, :1], stride=(1, 2, 2))[:, :, 0] / 2,
    )


def test_channels_lie_inside_bands():
    x = clip(1, 3, 5, 4, 4)
    each = [haar3(x[:, [channel]], SCALES["exact"]) for channel in range(3)]
    assert_close(haar3(x, SCALES["exact"]), torch.stack(each, 2).flatten(1, 2))


@pytest.mark.parametrize("frames", [2, 4, 6])
def test_a_clip_is_transformed_in_chunks_after_its_first_frame(frames):
    x, scale = clip(1, 2, 13, 4, 4), SCALES["exact"]
    parts = [(x[:, :, :1], True), *((part, False) for part in x[:, :, 1:].split(frames, 2))]
    bands = [haar3(part, scale, first) for part, first in parts]
    assert_close(torch.cat(bands, 2), haar3(x, scale))
    back = [inverse_haar3(b, scale, first) for b, (_, first) in zip(bands, parts, strict=True)]
    assert_close(torch.cat(back, 2), x)
