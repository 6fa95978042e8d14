"""Images in files: range, size, and what tells sets of them apart."""

import numpy as np
import pytest
import torch
from PIL import Image

from data.images.captions import as_strings
from data.images.crop import Crop
from data.images.files import ImageFiles


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


def test_every_option_is_part_of_what_tells_sets_of_files_apart(tmp_path, picture):
    picture(tmp_path / "0.png")

    def files(**changes) -> ImageFiles:
        given = {"folder": tmp_path, "names": ["0.png"], "labels": torch.tensor([0])}
        return ImageFiles(**{**given, "crop": Crop(8), "channels": 3, "flip": False, **changes})

    before = files().digest()
    assert files().digest() == before
    changes = [{"flip": True}, {"channels": 1}, {"labels": torch.tensor([1])}, {"bits": 12}]
    for change in [*changes, {"upright": True}, {"captions": ["a cat"], "width": 5}]:
        assert files(**change).digest() != before


def test_images_may_be_higher_than_wide(tmp_path, picture):
    picture(tmp_path / "a.png", (10, 20))
    data = ImageFiles(tmp_path, ["a.png"], torch.tensor([0]), Crop([6, 2]))
    assert data[0]["x"].shape == (3, 6, 2)


def test_captions_are_in_the_batch(tmp_path, picture):
    names = [picture(tmp_path / f"{n}.png").name for n in range(3)]
    captions = ["a cat", "é", "two dogs"]
    crop = Crop(8)
    data = ImageFiles(tmp_path, names, torch.arange(3), crop, captions=captions, width=12)
    text = data.__getitems__([2, 0, 1])["text"]
    assert text.shape == (3, 12)
    assert as_strings(text) == ["two dogs", "a cat", "é"]
