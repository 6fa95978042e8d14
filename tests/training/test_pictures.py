"""Grids of pictures on disk."""

import numpy as np
import torch
from PIL import Image

from ldm.training.pictures import save_grid


def test_small_images_are_enlarged_pixel_by_pixel(tmp_path):
    images = torch.stack([torch.full((1, 8, 8), -1.0), torch.full((1, 8, 8), 1.0)])
    images[0, 0, 0, 0] = 3.0  # out of range: white
    save_grid(tmp_path / "deep" / "grid.png", images, columns=2)
    grid = np.asarray(Image.open(tmp_path / "deep" / "grid.png"))
    assert grid.shape == (64 + 4, 2 * 64 + 6, 3)  # a frame of two pixels round each
    dark = grid[2:66, 2:66, 0]
    assert (dark[:8, :8] == 255).all()
    assert dark.sum() == 64 * 255
    assert (grid[2:66, 68:132] == 255).all()


def test_pictures_are_written_while_training_and_at_its_end(tokenizer_training, run, tmp_path):
    run(tokenizer_training(samples=480), tmp_path, pictures=2)
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names == ["000000256.png", "000000512.png"]
    assert Image.open(tmp_path / "samples" / names[0]).size == (4 * 66 + 2, 2 * 66 + 2)


def test_no_pictures_but_the_last_where_none_are_asked_for(tokenizer_training, run, tmp_path):
    run(tokenizer_training(samples=256), tmp_path, pictures=0)
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["000000256.png"]
