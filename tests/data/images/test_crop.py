"""Resizing and cropping, against torchvision and closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import functional as vision

from data.files.errors import DataError
from data.images.crop import Crop

sides = st.integers(1, 90)


def noise(width: int, height: int) -> Image.Image:
    rng = np.random.default_rng(width * 1000 + height)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))


@given(sides, sides, st.integers(1, 20), st.integers(0, 10), st.sampled_from(["adm", "bilinear"]))
def test_the_result_is_a_square_of_the_requested_size(width, height, size, more, resize):
    crop = Crop(size, size + more, resize, random=True)
    for rng in (None, np.random.default_rng(0)):
        assert crop(noise(width, height), rng).size == (size, size)


def test_an_image_of_the_requested_size_is_unchanged():
    image = noise(17, 17)
    assert np.array_equal(np.asarray(Crop(17)(image)), np.asarray(image))


@given(sides, sides, st.integers(1, 20), st.integers(0, 10))
def test_bilinear_agrees_with_torchvision(width, height, size, more):
    image = noise(width, height)
    expected = vision.center_crop(vision.resize(image, [size + more]), [size, size])
    got = Crop(size, size + more, "bilinear")(image)
    assert np.array_equal(np.asarray(got), np.asarray(expected))


def test_bilinear_truncates_the_long_side_as_torchvision_does():
    image = noise(500, 281)
    assert vision.resize(image, [256]).size == (455, 256)  # rounded to the nearest it were 456
    expected = vision.center_crop(vision.resize(image, [256]), [256, 256])
    got = Crop(256, resize="bilinear")(image)
    assert np.array_equal(np.asarray(got), np.asarray(expected))


def test_adm_halves_with_a_box_filter():
    # 32 -> 16 -> 8: each pixel is the mean of sixteen, rounded after each of four passes.
    image = noise(32, 32)
    got = np.asarray(Crop(8)(image), np.float64)
    means = np.asarray(image, np.float64).reshape(8, 4, 8, 4, 3).mean((1, 3))
    assert np.abs(got - means).max() <= 2


def test_adm_ends_with_a_bicubic_step():
    image = noise(30, 24)
    expected = image.resize((25, 20), Image.Resampling.BICUBIC).crop((2, 0, 22, 20))
    assert np.array_equal(np.asarray(Crop(20)(image)), np.asarray(expected))


@pytest.mark.parametrize(
    ("before", "side", "after"),
    [((5, 3), 2, (3, 2)), ((3, 5), 2, (2, 3)), ((100, 30), 20, (67, 20))],
)
def test_adm_rounds_the_longer_side_to_the_nearest(before, side, after):
    image = noise(*before)
    scaled = image.resize(after, Image.Resampling.BICUBIC)
    left, top = ((length - 1) // 2 for length in after)
    expected = scaled.crop((left, top, left + 1, top + 1))
    assert np.array_equal(np.asarray(Crop(1, side)(image)), np.asarray(expected))


@given(sides, sides, sides, sides, st.integers(0, 10), st.sampled_from(["adm", "bilinear"]))
def test_any_image_covers_any_rectangle(width, height, wide, high, more, resize):
    crop = Crop([high, wide], min(high, wide) + more, resize, random=True)
    for rng in (None, np.random.default_rng(0)):
        assert crop(noise(width, height), rng).size == (wide, high)


def test_a_rectangle_is_cut_from_the_middle_of_the_longer_side():
    image = noise(20, 12)  # covers 6 x 4 at 10 x 6
    expected = image.resize((10, 6), Image.Resampling.BOX).crop((3, 0, 7, 6))
    assert np.array_equal(np.asarray(Crop([6, 4])(image)), np.asarray(expected))


def test_random_crops_reach_every_position():
    image, crop = noise(6, 5), Crop(3, 5, random=True)
    pixels = np.asarray(image)
    windows = {pixels[y : y + 3, x : x + 3].tobytes() for y in range(3) for x in range(4)}
    rng = np.random.default_rng(0)
    assert {crop(image, rng).tobytes() for _ in range(300)} == windows
    assert crop(image).tobytes() == pixels[1:4, 1:4].tobytes()  # without a generator at the centre


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, r"\[height, width\], got 0"),
        ({"size": 10**9}, r"1 to 16384, or \[height, width\], got 1000000000"),
        ({"size": [8]}, r"\[height, width\], got \[8\]"),
        ({"size": 8, "short_side": 4}, "at least that of size, 8, got 4"),
        ({"size": 8, "resize": "nearest"}, "'adm' or 'bilinear', got 'nearest'"),
    ],
)
def test_invalid_sizes_and_resizes_are_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        Crop(**arguments)
