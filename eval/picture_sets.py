"""Sets of pictures in files: folders of images, ADM's arrays, and saved statistics."""

from collections.abc import Iterator
from functools import cached_property
from itertools import groupby
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from data.files.download import digest
from data.files.errors import DataError
from data.images.listing import list_images
from data.images.reading import read_image
from eval.metrics import Moments

__all__ = ["PictureSet"]

BATCH = 64  # pictures at once


class PictureSet:
    """A folder of images, or an `.npz` with bytes `(n, h, w, 3)` under `arr_0` or statistics.

    Statistics are those of FID, `mu` and `sigma`, and of sFID, `mu_s` and `sigma_s`. Reference
    batches of the ADM suite hold them of a whole training set, beside 10,000 pictures of it.

    Args:
        path: of the folder or file.

    Raises:
        DataError: there is no such set, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.suffix != ".npz":
            if not path.is_dir():
                raise DataError(f"{path} is neither a folder of images nor an .npz file")
        elif self.moments() is None and "arr_0" not in self._arrays.files:
            raise DataError(
                f"{path} has neither arr_0 nor mu and sigma: it holds {self._arrays.files}"
            )

    def moments(self, mu: str = "mu", sigma: str = "sigma") -> Moments | None:
        """Read the statistics under these keys; None where they are not saved."""
        if self.path.suffix != ".npz" or not {mu, sigma} <= set(self._arrays.files):
            return None
        return Moments.load(self.path, mu, sigma)

    @property
    def has_pictures(self) -> bool:
        """False for statistics alone."""
        return self.path.suffix != ".npz" or "arr_0" in self._arrays.files

    def content(self) -> str:
        """Hash the bytes of a file, or of all images of a folder."""
        if self.path.is_file():
            return digest(self.path)
        return "\n".join(digest(self.path / name) for name in list_images(self.path).names)

    def pictures(self, channels: int) -> tuple[int, Iterator[UInt8[Tensor, "b c h w"]]]:
        """Count the pictures, and read them in order, in batches of one size each.

        Args:
            channels: 1 for grey, 3 for colour.
        """
        if self.path.suffix != ".npz":
            names = list_images(self.path).names
            return len(names), self._read(names, channels)
        array = self._arrays["arr_0"]
        if array.ndim != 4 or array.shape[-1] != 3 or array.dtype != np.uint8:
            raise DataError(
                f"{self.path} holds {array.dtype} of shape {array.shape} under arr_0, not bytes of "
                f"(n, height, width, 3)"
            )
        images = torch.from_numpy(array).permute(0, 3, 1, 2)
        return len(images), (_grey(part, channels) for part in images.split(BATCH))

    def _read(self, names: list[str], channels: int) -> Iterator[UInt8[Tensor, "b c h w"]]:
        def pixels(name: str) -> np.ndarray:
            image = np.asarray(read_image(self.path / name, channels))
            levels = (image * 255 + 0.5).astype(np.uint8) if image.dtype != np.uint8 else image
            shape = levels.shape[:2]
            return np.broadcast_to(levels.reshape(*shape, -1), (*shape, channels))

        for start in range(0, len(names), BATCH):
            read = map(pixels, names[start : start + BATCH])
            for _, images in groupby(read, key=lambda image: image.shape):
                yield torch.from_numpy(np.stack(list(images))).permute(0, 3, 1, 2)

    @cached_property
    def _arrays(self) -> np.lib.npyio.NpzFile:
        try:
            return np.load(self.path, allow_pickle=False)
        except (OSError, ValueError, BadZipFile) as error:
            raise DataError(f"{self.path} cannot be read as .npz: {error}") from error


def _grey(images: UInt8[Tensor, "b 3 h w"], channels: int) -> UInt8[Tensor, "b c h w"]:
    """Keep one channel where grey is asked for, weighted as in Pillow's conversion."""
    if channels == 3:
        return images
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    return (images * weights).sum(1, keepdim=True).round().byte()
