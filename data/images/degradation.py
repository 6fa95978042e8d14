"""Degraded images, coarse or with holes, from which a prior draws whole ones."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, UInt64
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from data.files.errors import DataError
from data.images.reading import open_image

__all__ = ["Coarse", "Degradation", "read_degraded"]


class Degradation(ABC):
    """A map from images to degraded ones, which a batch holds as `image`."""

    random: ClassVar[bool]
    """True if it is drawn anew each time that a training sample is."""

    @abstractmethod
    def shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Shape of what is left of an image of shape `(c, h, w)`.

        Raises:
            DataError: there is no such image.
        """

    @abstractmethod
    def __call__(
        self, x: Float[Tensor, "n c h w"], seeds: UInt64[np.ndarray, " n"]
    ) -> Float[Tensor, "n ..."]:
        """Degrade images in [-1, 1], each by its own seed."""

    def restore(
        self, x: Float[Tensor, "n c h w"], image: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n c h w"]:
        """Images whose pixels are exactly those of a degraded one wherever it has them.

        By default, none are known.

        Args:
            x: whole images, drawn for the degraded ones.
            image: degraded ones.
        """
        return x

    @abstractmethod
    def read(self, image: Image.Image, channels: int) -> Float[Tensor, "..."]:
        """Read an image that is degraded already.

        Args:
            image: as decoded.
            channels: of the images that are drawn.
        """


@dataclass(frozen=True)
class Coarse(Degradation):
    """A smaller image, by a bicubic filter with antialiasing.

    Args:
        factor: pixels of a side that become one.

    Raises:
        DataError: the factor is not above 1.

    Example:
        >>> Coarse(4).shape((3, 256, 256))
        (3, 64, 64)
    """

    factor: int = 4
    random: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.factor < 2:
            raise DataError(f"an image is made coarser by a factor of 2 or more, got {self.factor}")

    def shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        channels, *sides = shape
        if any(side % self.factor for side in sides):
            raise DataError(
                f"images of {sides[0]} x {sides[1]} cannot be made coarser by {self.factor}: "
                f"choose a data.size that is a multiple of it"
            )
        return (channels, *(side // self.factor for side in sides))

    def __call__(
        self, x: Float[Tensor, "n c h w"], seeds: UInt64[np.ndarray, " n"]
    ) -> Float[Tensor, "n c _ _"]:
        size = self.shape(x.shape[1:])[1:]
        return interpolate(x, size=size, mode="bicubic", antialias=True).clamp(-1, 1)

    def read(self, image: Image.Image, channels: int) -> Float[Tensor, "c h w"]:
        return pixels(image.convert("L" if channels == 1 else "RGB"))


def pixels(image: Image.Image) -> Float[Tensor, "c h w"]:
    """Pixels of an image of bytes, in [-1, 1]."""
    array = np.asarray(image, np.float32) / 127.5 - 1
    return torch.from_numpy(array).reshape(image.height, image.width, -1).permute(2, 0, 1)


def read_degraded(
    path: str | Path, degradation: Degradation, shape: Sequence[int]
) -> Float[Tensor, "n ..."]:
    """Read images that are degraded already: a file, or all of a folder in the order of names.

    Args:
        path: of the file or folder.
        degradation: what such images are made by.
        shape: of the images that are drawn.

    Raises:
        DataError: there is none, it is damaged, or of another size.
    """
    path, expected = Path(path).expanduser(), degradation.shape(shape)
    files = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path} is empty: give an image or a folder of images")
    found = []
    for file in files:
        image = degradation.read(open_image(file), shape[0])
        if tuple(image.shape) != expected:
            height, width = expected[1:]
            raise DataError(
                f"{file} has {image.shape[2]} x {image.shape[1]} pixels, and the model is told "
                f"images of {width} x {height}: resize it"
            )
        found.append(image)
    return torch.stack(found)
