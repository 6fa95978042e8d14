"""Image grids, and pictures of them as files."""

import math
from functools import partial
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from data.files.whole import write_whole
from data.images.clips import write_gif, write_mp4

__all__ = ["grid", "save_picture", "write_png"]

FRAME = 2  # width of the white frame around each image, pixels
VISIBLE = 64  # smaller images are enlarged until their longer side has about this many pixels


def grid(
    images: Float[Tensor, "n c h w"], columns: int | None = None
) -> Float[Tensor, "3 height width"]:
    """Arrange images in [-1, 1] in a grid; small ones are enlarged by an integer factor.

    Args:
        images: grey or colour; values out of range are clamped.
        columns: number of columns; by default a square grid.

    Returns:
        One RGB image in [0, 1].

    Example:
        >>> grid(torch.zeros(6, 1, 64, 64), columns=3).shape  # frames of two pixels
        torch.Size([3, 134, 200])
    """
    columns = min(columns or math.ceil(math.sqrt(len(images))), len(images))
    images = images.float().cpu().clamp(-1, 1).add(1).div(2).expand(-1, 3, -1, -1)
    factor = max(1, round(VISIBLE / max(images.shape[-2:])))
    images = images.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    spare = images.new_ones(-len(images) % columns, *images.shape[1:])
    tiles = pad(torch.cat([images, spare]), (FRAME, 0, FRAME, 0), value=1)
    joined = rearrange(tiles, "(row column) c h w -> c (row h) (column w)", column=columns)
    return pad(joined, (0, FRAME, 0, FRAME), value=1)


def save_picture(path: Path, picture: Float[Tensor, "*frames 3 h w"]) -> list[Path]:
    """Write an image as PNG, a clip as GIF and MP4; each is written whole or not at all.

    Args:
        path: of the PNG; a clip has the same name, with other ends. Its folder is created if
            necessary.
        picture: an image or a clip in [0, 1].

    Returns:
        The files; the first is shown by browsers and loggers.

    Raises:
        StorageFull, DataError: it cannot be written.
    """
    if picture.ndim == 3:
        write_whole(path, lambda part: write_png(part, picture))
        return [path]
    files = {path.with_suffix(".gif"): write_gif, path.with_suffix(".mp4"): write_mp4}
    frames = picture.clamp(0, 1).mul(255).add(0.5).byte().cpu()
    for file, write in files.items():
        write_whole(file, partial(write, frames=frames))
    return list(files)


def write_png(path: Path, picture: Float[Tensor, "3 h w"]) -> None:
    """Write an image in [0, 1], rounded to bytes, to a folder that is there."""
    levels = picture.clamp(0, 1).mul(255).add(0.5).byte().permute(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(levels.cpu().numpy())).save(path)
