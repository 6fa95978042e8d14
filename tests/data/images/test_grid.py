"""Image grids and image files."""

import errno

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.utils import make_grid

from data.files.full import StorageFull
from data.images.grid import grid, save_picture


def test_small_images_are_enlarged_by_repeating_pixels(tmp_path):
    images = torch.stack([torch.full((1, 8, 8), -1.0), torch.full((1, 8, 8), 1.0)])
    images[0, 0, 0, 0] = 3.0  # out of range: white
    save_picture(tmp_path / "deep" / "grid.png", grid(images, columns=2))
    picture = np.asarray(Image.open(tmp_path / "deep" / "grid.png"))
    assert picture.shape == (64 + 4, 2 * 64 + 6, 3)  # a frame of two pixels around each
    dark = picture[2:66, 2:66, 0]
    assert (dark[:8, :8] == 255).all()
    assert dark.sum() == 64 * 255
    assert (picture[2:66, 68:132] == 255).all()


@pytest.mark.parametrize(("n", "columns"), [(7, 3), (6, 2), (2, 5), (9, None)])
def test_the_grid_agrees_with_torchvision(n, columns):
    images = torch.rand(n, 3, 64, 70)
    images[-1] = 1  # white, as are unused cells in both grids
    expected = make_grid(images, nrow=columns or 3, pad_value=1)
    torch.testing.assert_close(grid(images * 2 - 1, columns), expected)


@pytest.mark.parametrize("size", [(8, 32), (32, 8)])
def test_small_rectangles_are_enlarged_by_their_longer_side(size):
    picture = grid(torch.zeros(1, 1, *size), columns=1)
    assert picture.shape == (3, 2 * size[0] + 4, 2 * size[1] + 4)


def test_a_picture_that_cannot_be_written_leaves_the_older_one(tmp_path, monkeypatch):
    path = tmp_path / "picture.png"
    save_picture(path, torch.ones(3, 8, 8))
    before = path.read_bytes()

    def cut(image, part, *_):
        part.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", cut)
    with pytest.raises(StorageFull, match=r"the older picture\.png is intact"):
        save_picture(path, torch.zeros(3, 8, 8))
    assert path.read_bytes() == before
