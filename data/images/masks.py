"""Images with holes, drawn at random, for inpainting.

Holes are wide strokes or boxes, after Suvorov et al., "Resolution-robust large mask inpainting with
Fourier convolutions" (LaMa), 2022, section 2.4, by which latent diffusion is trained to inpaint;
their sizes are those of 256 pixels, as recalled, scaled to the side of the image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, UInt64
from PIL import Image, ImageDraw
from torch import Tensor

from data.files.errors import DataError
from data.images.degradation import Degradation, pixels

__all__ = ["Masked"]

SIDE = 256  # pixels, of the sizes below
STROKES, POINTS, LENGTH, WIDTH = (1, 5), (2, 5), (10, 200), (20, 100)
BOXES, EDGE = (1, 4), (30, 150)


@dataclass(frozen=True)
class Masked(Degradation):
    """An image whose holes are black, and a mask that is 1 in the holes and -1 elsewhere.

    The mask is the last channel. Training draws new holes each time. An image of one's own has
    holes where it is transparent.

    Args:
        boxes: share of the images whose holes are boxes; others have strokes.

    Raises:
        DataError: the share is not between 0 and 1.

    Example:
        >>> Masked().shape((3, 256, 256))
        (4, 256, 256)
    """

    boxes: float = 0.5
    random: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.boxes <= 1:
            raise DataError(f"boxes is a share between 0 and 1, got {self.boxes}")

    def shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return (shape[0] + 1, *shape[1:])

    def __call__(
        self, x: Float[Tensor, "n c h w"], seeds: UInt64[np.ndarray, " n"]
    ) -> Float[Tensor, "n _ h w"]:
        size = x.shape[2:]
        holes = [self._holes(np.random.default_rng(int(seed)), size) for seed in seeds]
        return _with_holes(x, torch.stack(holes))

    def restore(
        self, x: Float[Tensor, "n c h w"], image: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n c h w"]:
        return torch.where(image[:, -1:] > 0, x, image[:, :-1])

    def read(self, image: Image.Image, channels: int) -> Float[Tensor, "_ h w"]:
        if "A" not in image.getbands() and "transparency" not in image.info:
            raise DataError(
                "an image to inpaint has holes where it is transparent, and this one has no "
                "transparency: erase what is to be drawn, and save it as PNG"
            )
        colours, alpha = image.convert("RGBA"), image.convert("RGBA").getchannel("A")
        x = pixels(colours.convert("L" if channels == 1 else "RGB"))
        return _with_holes(x[None], torch.from_numpy(np.asarray(alpha) < 128)[None, None])[0]

    def _holes(self, rng: np.random.Generator, size: Sequence[int]) -> Tensor:
        height, width = size
        image = Image.new("1", (width, height))
        draw, scale = ImageDraw.Draw(image), min(size) / SIDE
        holes = _boxes if rng.random() < self.boxes else _strokes
        holes(rng, draw, (width, height), scale)
        return torch.from_numpy(np.array(image))[None]


def _with_holes(x: Tensor, holes: Tensor) -> Tensor:
    return torch.cat([torch.where(holes, -1.0, x), 2 * holes.to(x.dtype) - 1], 1)


def _between(rng: np.random.Generator, limits: tuple[int, int], scale: float = 1) -> int:
    low, high = (round(scale * limit) for limit in limits)
    return int(rng.integers(max(low, 1), max(high, 1) + 1))


def _boxes(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, size: tuple[int, int], scale: float
) -> None:
    for _ in range(_between(rng, BOXES)):
        sides = [_between(rng, EDGE, scale) for _ in size]
        corner = [int(rng.integers(max(n - side, 1))) for n, side in zip(size, sides, strict=True)]
        end = [start + side - 1 for start, side in zip(corner, sides, strict=True)]
        draw.rectangle([*corner, *end], fill=1)


def _strokes(
    rng: np.random.Generator, draw: ImageDraw.ImageDraw, size: tuple[int, int], scale: float
) -> None:
    """Draw lines of several parts with round ends, that turn back and forth."""
    for _ in range(_between(rng, STROKES)):
        thick, (x, y) = _between(rng, WIDTH, scale), rng.uniform(0, size)
        for part in range(_between(rng, POINTS)):
            angle = rng.uniform(0, pi) + pi * (part % 2)
            length, radius = _between(rng, LENGTH, scale), thick / 2
            start = x, y
            x, y = np.clip([x + length * cos(angle), y + length * sin(angle)], 0, size)
            draw.line([start, (x, y)], fill=1, width=thick)
            for a, b in (start, (x, y)):
                draw.ellipse([a - radius, b - radius, a + radius, b + radius], fill=1)
