"""Images in memory and in files: range, mirroring, and files that are not images."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from data import Digits
from data.files.errors import DataError
from data.images.base import ImageFiles, MemoryImages, read_image
from data.images.crop import Crop
from data.order import Draw


def memory(n=8, flip=True) -> MemoryImages:
    images = torch.randint(0, 256, (n, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    return MemoryImages(images.to(torch.uint8), torch.arange(n), flip=flip)


def test_bytes_are_scaled_to_minus_one_to_one():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(3, 1, 1, 1)
    x = MemoryImages(images, torch.zeros(3, dtype=torch.int64)).__getitems__([0, 1, 2])["x"]
    torch.testing.assert_close(x.flatten(), torch.tensor([-1.0, -0.6, 1.0]))


def test_half_of_the_draws_are_mirrored_depending_on_the_seed():
    data = memory()
    plain = data.__getitems__([0])["x"]
    x = data.__getitems__([Draw(0, seed) for seed in range(2000)])["x"]
    mirrored = (x == plain.flip(-1)).flatten(1).all(1)
    assert torch.equal(mirrored, ~(x == plain).flatten(1).all(1))
    assert abs(mirrored.sum().item() - 1000) < 5 * math.sqrt(500)
    assert torch.equal(x, data.__getitems__([Draw(0, seed) for seed in range(2000)])["x"])


def test_a_batch_equals_its_items_and_plain_indices_are_not_augmented():
    data = memory()
    items = [3, Draw(1, 5), 0, Draw(3, 6)]
    batch = data.__getitems__(items)
    for row, item in enumerate(items):
        for key, value in data[item].items():
            assert torch.equal(batch[key][row], value)
    assert torch.equal(data[3]["x"], memory(flip=False)[3]["x"])


def test_an_index_beyond_the_end_stops_iteration():
    assert [item["index"].item() for item in memory(3)] == [0, 1, 2]


@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_files_agree_with_pillow(tmp_path, picture, channels):
    path = picture(tmp_path / "a.png", (5, 5))
    data = ImageFiles(tmp_path, ["a.png"], torch.tensor([4]), Crop(5), channels)
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"), np.float32)
    expected = torch.from_numpy(pixels / 127.5 - 1).reshape(5, 5, channels).permute(2, 0, 1)
    torch.testing.assert_close(data[0]["x"], expected)
    assert data[0]["label"] == 4


def test_float_and_16_bit_images_keep_their_range(tmp_path):
    ramp = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    Image.fromarray(ramp).save(tmp_path / "real.tiff")
    Image.fromarray((ramp * 65535).round().astype(np.uint16)).save(tmp_path / "deep.png")
    names = ["real.tiff", "deep.png"]
    data = ImageFiles(tmp_path, names, torch.zeros(2, dtype=torch.int64), Crop(4))
    expected = torch.from_numpy(2 * ramp - 1).expand(3, 4, 4)
    for item in data:
        torch.testing.assert_close(item["x"], expected, atol=2e-5, rtol=0)


def test_resized_float_images_stay_in_range(tmp_path):
    edge = np.zeros((6, 6), np.float32)
    edge[:, 3:] = 1
    Image.fromarray(edge).save(tmp_path / "edge.tiff")
    data = ImageFiles(tmp_path, ["edge.tiff"], torch.tensor([0]), Crop(16))
    assert data[0]["x"].abs().max() == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_image_with_nan_is_refused_by_name(tmp_path, value):
    pixels = np.zeros((4, 4), np.float32)
    pixels[2, 1] = value
    Image.fromarray(pixels).save(tmp_path / "bad.tiff")
    with pytest.raises(DataError, match=r"bad\.tiff holds NaN or infinity"):
        read_image(tmp_path / "bad.tiff")


def test_float_images_out_of_range_are_refused(tmp_path):
    Image.fromarray(np.full((2, 2), 7.5, np.float32)).save(tmp_path / "loud.tiff")
    with pytest.raises(DataError, match=r"loud\.tiff holds real numbers in \[7\.5, 7\.5\]"):
        read_image(tmp_path / "loud.tiff")


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_a_truncated_file_is_refused_by_name(tmp_path, picture, kind):
    path = picture(tmp_path / f"cut.{kind}", (64, 64))
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(DataError, match=rf"cut\.{kind} is not a sound image"):
        read_image(path)


def test_a_file_that_is_not_an_image_is_refused_by_name(tmp_path):
    (tmp_path / "page.jpg").write_text("<html>not found</html>")
    with pytest.raises(DataError, match=r"page\.jpg is not a sound image"):
        read_image(tmp_path / "page.jpg")


def test_a_pixel_becomes_the_nearest_byte():
    level = torch.arange(256).view(-1, 1, 1, 1)
    for part, expected in ((-0.4, level), (0.4, level), (0.6, (level + 1).clamp(max=255))):
        pixels = (level + part) / 127.5 - 1
        assert torch.equal(Digits().compact({"x": pixels})["x"].long(), expected)


def test_mirroring_is_part_of_what_tells_sets_of_files_apart(tmp_path, picture):
    picture(tmp_path / "0.png")

    def files(**changes) -> ImageFiles:
        given = {"folder": tmp_path, "names": ["0.png"], "labels": torch.tensor([0])}
        return ImageFiles(**{**given, "crop": Crop(8), "channels": 3, "flip": False, **changes})

    before = files().digest()
    assert files().digest() == before
    for change in ({"flip": True}, {"channels": 1}, {"labels": torch.tensor([1])}):
        assert files(**change).digest() != before
