"""Resizing and cropping of images to squares, by the published conventions."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from data.files.errors import DataError

__all__ = ["Crop"]


@dataclass(frozen=True)
class Crop:
    """Resize the short side, then crop a square.

    Args:
        size: side of the square, pixels.
        short_side: short side of the image before cropping, pixels; by default `size`.
        resize: "adm" halves with a box filter while the short side is at least twice the target,
            then resizes with a bicubic filter (Dhariwal and Nichol, "Diffusion models beat GANs on
            image synthesis", 2021; also DiT and SiT). "bilinear" is one bilinear step with
            antialiasing, as in timm, torchvision and GSQ.
        random: crop at a random position if a generator is given, otherwise at the centre.

    Raises:
        DataError: a size is not positive, the short side is below `size`, or `resize` is unknown.

    Example:
        >>> Crop(size=256)(Image.new("RGB", (640, 480))).size
        (256, 256)
    """

    size: int
    short_side: int | None = None
    resize: str = "adm"
    random: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.size <= self.side:
            raise DataError(f"1 <= size <= short_side is needed, got {self.size} and {self.side}")
        if self.resize not in ("adm", "bilinear"):
            raise DataError(f"resize must be 'adm' or 'bilinear', got {self.resize!r}")

    @property
    def side(self) -> int:
        """Short side after resizing, pixels."""
        return self.size if self.short_side is None else self.short_side

    def __call__(self, image: Image.Image, rng: np.random.Generator | None = None) -> Image.Image:
        """Crop at the centre, or, for random crops, at a position drawn from `rng`."""
        image = self._resized(image)
        spare = (image.width - self.size, image.height - self.size)
        if self.random and rng is not None:
            left, top = (int(rng.integers(room + 1)) for room in spare)
        else:
            left, top = (room // 2 for room in spare)
        return image.crop((left, top, left + self.size, top + self.size))

    def _resized(self, image: Image.Image) -> Image.Image:
        if min(image.size) == self.side:
            return image
        if self.resize == "bilinear":
            return image.resize(self._scaled(image), Image.Resampling.BILINEAR)
        while min(image.size) >= 2 * self.side:
            image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
        return image.resize(self._scaled(image), Image.Resampling.BICUBIC)

    def _scaled(self, image: Image.Image) -> tuple[int, int]:
        scale = self.side / min(image.size)
        return round(image.width * scale), round(image.height * scale)
