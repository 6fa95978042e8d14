"""Resizing of a part of a frame to one size, whatever its shape."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from data.files.errors import DataError
from data.images.crop import height_width

__all__ = ["Squash"]


@dataclass(frozen=True)
class Squash:
    """Cut a box out of an image and resize it by the means of areas, as LFDM does.

    Args:
        size: of the result, pixels: side of a square, or height and width.
        box: left, top, right and bottom, as shares of the image's width and height.

    Raises:
        DataError: the box is empty or not inside of the image.

    Example:
        >>> Squash(128, (0.1, 0, 0.9, 1))(Image.new("RGB", (320, 240))).size
        (128, 128)
    """

    size: int | Sequence[int]
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", height_width(self.size))
        left, top, right, bottom = self.box
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise DataError(f"a box is [left, top, right, bottom] in [0, 1], got {self.box}")

    def __call__(self, image: Image.Image) -> Image.Image:
        height, width = self.size
        sides = (image.width, image.height) * 2
        box = tuple(share * side for share, side in zip(self.box, sides, strict=True))
        return image.resize((width, height), Image.Resampling.BOX, box)
