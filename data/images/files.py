"""Image datasets that are read from files on access."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from data.files.stored import content, holder
from data.images.crop import Crop
from data.images.pixels import PixelDataset
from data.images.reading import BITS, convert, open_image
from data.order import Draw

__all__ = ["ImageFiles"]


class ImageFiles(PixelDataset):
    """Images read from files, from their places in archives or from databases, on access.

    Args:
        folder: folder that the names are relative to.
        names: names of the files.
        labels: class of each file.
        crop: resizes and crops every image to one size.
        channels: 1 for grey, 3 for colour; files of the other kind are converted.
        flip: as for `PixelDataset`.
        bits: how many bits of 16-bit files are in use, see `read_image`.
        upright: turn images as their EXIF orientation tags say.
        captions, width: as for `PixelDataset`.
        places: offset and size, bytes, of each image in the archive that is its folder; empty for
            files of their own.

    Raises:
        DataError: a file cannot be decoded or contains NaN; the message names its path.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        labels: Int64[Tensor, " n"],
        crop: Crop,
        channels: int = 3,
        flip: bool = False,
        bits: int = BITS,
        upright: bool = False,
        captions: Sequence[str] = (),
        width: int = 0,
        places: Sequence[tuple[int, int]] = (),
    ) -> None:
        super().__init__(labels, flip, captions, width)
        self.folder, self.crop, self.channels = folder, crop, channels
        self.bits, self.upright = bits, upright
        # One array instead of a million Python strings, whose reference counts would make every
        # worker process copy their memory pages.
        self.names = np.array([os.fsencode(name) for name in names])
        self.places = np.array(places, np.int64).reshape(-1, 2)

    def path(self, index: int) -> Path:
        """Return the path of an image."""
        return self.folder / os.fsdecode(self.names[index])

    def _place(self, index: int) -> list[int] | None:
        return self.places[index].tolist() if len(self.places) else None

    def pixels(
        self, index: Int64[Tensor, " b"], draws: Sequence[Draw]
    ) -> Float32[Tensor, "b c h w"]:
        size = self.crop.size
        out = np.empty((len(draws), *size, self.channels), np.float32)
        for row, i, draw in zip(out, index.tolist(), draws, strict=True):
            rng = None if draw.seed is None else np.random.default_rng(draw.seed)
            path = self.path(i)
            image = open_image(content(path, self._place(i)), str(path))
            image = convert(image, str(path), self.channels, self.bits, self.upright)
            levels = np.asarray(self.crop(image, rng), np.float32)
            white = 1 if image.mode == "F" else 255
            # Bicubic filters overshoot; PIL clips bytes but not real numbers.
            row[:] = (levels.reshape(*size, -1) * np.float32(2 / white) - 1).clip(-1, 1)
        return torch.from_numpy(out).permute(0, 3, 1, 2).contiguous()

    def digest(self) -> str:
        options = f"{self.crop} {self.channels} {self.flip} {self.bits} {self.upright}"
        digest = hashlib.sha256(options.encode())
        for row, name in enumerate(self.names):
            status = os.stat(holder(self.path(row), self._place(row)))
            digest.update(name + f" {status.st_size} {status.st_mtime_ns}\n".encode())
        digest.update(self.places.tobytes())
        digest.update(self.labels.numpy())
        digest.update(self.captions.tobytes())
        return digest.hexdigest()
