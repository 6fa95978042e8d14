"""Resizing and cropping of images to one size, by the published conventions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from data.files.errors import DataError

__all__ = ["Crop", "height_width"]

MOST = 1 << 14  # pixels a side


def height_width(size: int | Sequence[int]) -> tuple[int, int]:
    """Height and width of images of this size: one number for a square, or both.

    Raises:
        DataError: neither one nor two numbers, or not positive, or too large.

    Example:
        >>> height_width(256), height_width([64, 512])
        ((256, 256), (64, 512))
    """
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or not all(isinstance(side, int) and 1 <= side <= MOST for side in sides):
        raise DataError(
            f"size is one number of pixels, 1 to {MOST}, or [height, width], got {size}"
        )
    return sides


@dataclass(frozen=True)
class Crop:
    """Resize an image so that it covers a rectangle, then crop to it.

    Args:
        size: of the result, pixels: side of a square, or height and width.
        short_side: short side of the rectangle that the image is resized to cover, pixels; by
            default that of `size`. For squares it is the short side of the resized image.
        resize: "adm" halves with a box filter while the image covers the rectangle twice, then
            resizes with a bicubic filter (Dhariwal and Nichol, "Diffusion models beat GANs on
            image synthesis", 2021; also DiT and SiT). "bilinear" is one bilinear step with
            antialiasing, as in timm, torchvision and GSQ, to torchvision's sizes: it truncates the
            long side and rounds the position of the centre.
        random: crop at a random position if a generator is given, otherwise at the centre.

    Raises:
        DataError: a size is not positive, the short side is below `size`, or `resize` is unknown.

    Example:
        >>> Crop(size=256)(Image.new("RGB", (640, 480))).size
        (256, 256)
    """

    size: int | Sequence[int]
    short_side: int | None = None
    resize: str = "adm"
    random: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", height_width(self.size))
        if self.short_side is not None and self.short_side < min(self.size):
            raise DataError(
                f"short_side must be at least that of size, {min(self.size)}, got {self.short_side}"
            )
        if self.resize not in ("adm", "bilinear"):
            raise DataError(f"resize must be 'adm' or 'bilinear', got {self.resize!r}")

    @property
    def covered(self) -> tuple[int, int]:
        """Height and width of the rectangle that the resized image covers, pixels."""
        if self.short_side is None:
            return self.size
        height, width = (-(-side * self.short_side // min(self.size)) for side in self.size)
        return height, width

    def __call__(self, image: Image.Image, rng: np.random.Generator | None = None) -> Image.Image:
        """Crop at the centre, or, for random crops, at a position drawn from `rng`."""
        image = self._resized(image)
        height, width = self.size
        spare = (image.width - width, image.height - height)
        if self.random and rng is not None:
            left, top = (int(rng.integers(room + 1)) for room in spare)
        elif self.resize == "bilinear":
            left, top = (round(room / 2) for room in spare)
        else:
            left, top = (room // 2 for room in spare)
        return image.crop((left, top, left + width, top + height))

    def _resized(self, image: Image.Image) -> Image.Image:
        height, width = self.covered
        if self.resize == "bilinear":
            return _resize(image, self._scaled(image), Image.Resampling.BILINEAR)
        while image.height >= 2 * height and image.width >= 2 * width:
            image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
        return _resize(image, self._scaled(image), Image.Resampling.BICUBIC)

    def _scaled(self, image: Image.Image) -> tuple[int, int]:
        """Width and height at which the image just covers the rectangle."""
        height, width = self.covered
        tall = height * image.width >= width * image.height  # then the height binds
        new, old = (height, image.height) if tall else (width, image.width)
        sides = [
            side * new // old if self.resize == "bilinear" else round(side * (new / old))
            for side in image.size
        ]
        return sides[0], sides[1]


def _resize(image: Image.Image, size: tuple[int, int], how: Image.Resampling) -> Image.Image:
    return image if image.size == size else image.resize(size, how)
