"""The four resizes against Pillow, torch-fidelity's TensorFlow emulation, and their own laws."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch_fidelity.interpolate_compat_tensorflow import (
    interpolate_bilinear_2d_like_tensorflow1x as like_tensorflow,
)

from eval.extractors.resize import RESIZES, resize_tf1


def picture(height: int, width: int, channels: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(height)
    return torch.randint(0, 256, (1, channels, height, width), generator=generator).float()


@pytest.mark.parametrize("shape", [(8, 8), (32, 40), (299, 299), (400, 310)])
def test_tf1_is_tensorflows(shape):
    x = picture(*shape, channels=3)
    expected = like_tensorflow(x, size=(299, 299), align_corners=False)
    torch.testing.assert_close(resize_tf1(x, 299), expected, rtol=1e-5, atol=1e-3)


def test_tf1_doubling_repeats_then_averages():
    # Pixel 2i is pixel i; pixel 2i + 1 lies half-way to the next, or at the edge.
    x = torch.tensor([[[[0.0, 8.0], [4.0, 4.0]]]])
    expected = torch.tensor([[0.0, 4.0, 8.0, 8.0], [2.0, 4.0, 6.0, 6.0], [4.0] * 4, [4.0] * 4])
    torch.testing.assert_close(resize_tf1(x, 4)[0, 0], expected)


@pytest.mark.parametrize("shape", [(8, 8), (32, 40), (512, 310)])
def test_clean_is_pillows_bicubic_on_floats(shape):
    x = picture(*shape)
    resized = Image.fromarray(x[0, 0].numpy()).resize((299, 299), Image.Resampling.BICUBIC)
    expected = (np.asarray(resized).clip(0, 255) - 128) / 128
    np.testing.assert_allclose(RESIZES["clean"](x, 299)[0, 0].numpy(), expected, atol=1e-4)


def test_antialias_averages_what_the_others_skip():
    stripes = torch.zeros(1, 1, 598, 598)
    stripes[..., ::2] = 255
    inner = slice(2, -2)
    smooth, aliased = (RESIZES[name](stripes, 299)[..., inner] for name in ("antialias", "tf1"))
    assert smooth.abs().max() < 0.02  # grey
    assert aliased.min() > 0.98  # only the white columns were seen


@pytest.mark.parametrize("name", RESIZES)
def test_a_picture_of_the_right_size_is_only_scaled(name):
    x = picture(299, 299)
    half, centre = (127.5, 127.5) if name == "pytorch_fid" else (128, 128)
    torch.testing.assert_close(RESIZES[name](x, 299), (x - centre) / half, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", RESIZES)
def test_a_flat_picture_stays_flat_at_any_size(name):
    for size in (20, 400):
        y = RESIZES[name](torch.full((1, 3, size, size), 255.0), 299)
        expected = 1.0 if name == "pytorch_fid" else 127 / 128
        torch.testing.assert_close(y, torch.full_like(y, expected), rtol=0, atol=1e-4)
