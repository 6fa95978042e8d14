"""The base class of image datasets, and images held in memory."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import torch
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor

from data.batch import Batch
from data.images.crop import Crop, height_width
from data.images.files import ImageFiles
from data.images.grid import grid, write_png
from data.images.listing import list_images
from data.images.pixels import PixelDataset, Pixels
from data.images.prompts import ClassCaptions
from data.order import Draw

__all__ = ["Images", "MemoryImages"]


class Images(Pixels):
    """Dataset of images of one size in [-1, 1], grey or colour."""

    suffix = ".png"

    crops: Mapping[str, Crop] = MappingProxyType({})
    """How files of each split are resized and cropped; empty where samples are no files."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one `x`: `(channels, height, width)`."""
        return (self.channels, *height_width(self.size))

    def own_files(self, folder: Path) -> ImageFiles:
        listing = list_images(folder)
        crop = self.crops.get("test") or Crop(self.shape[1:])
        labels = torch.full((len(listing.names),), -1)
        return ImageFiles(listing.folder, listing.names, labels, crop, self.channels)

    def show(self, batch: Batch, columns: int | None = None) -> Float[Tensor, "3 height width"]:
        return grid(self.floats(batch), columns)

    def write(self, path: Path, pixels: UInt8[Tensor, "3 h w"], sample: Batch) -> None:
        """Write an image as PNG."""
        write_png(path, pixels.float().div(255))


class MemoryImages(PixelDataset):
    """Images held in memory as one tensor of bytes.

    Args:
        images: `(n, c, h, w)`, from 0 for black to `white`.
        labels: class of each image.
        flip: as for `PixelDataset`.
        white: the byte that is mapped to 1; 0 is mapped to -1.
        captions: that name the classes; None for images without captions.

    Example:
        >>> from torch import arange, full, uint8
        >>> images = MemoryImages(full((5, 1, 8, 8), 255, dtype=uint8), arange(5))
        >>> batch = images.__getitems__([3, 4])
        >>> batch["x"].shape, batch["x"].max().item(), batch["label"].tolist()
        (torch.Size([2, 1, 8, 8]), 1.0, [3, 4])
    """

    def __init__(
        self,
        images: UInt8[Tensor, "n c h w"],
        labels: Int64[Tensor, " n"],
        flip: bool = False,
        white: int = 255,
        captions: ClassCaptions | None = None,
    ) -> None:
        texts = captions.of(labels.tolist(), range(len(labels))) if captions else ()
        super().__init__(labels, flip, texts, captions.width if captions else 0)
        self.images, self.white = images, white

    def pixels(
        self, index: Int64[Tensor, " b"], draws: Sequence[Draw]
    ) -> Float32[Tensor, "b c h w"]:
        return self.images[index].float().mul_(2 / self.white).sub_(1)

    def digest(self) -> str:
        digest = hashlib.sha256(f"{tuple(self.images.shape)} {self.white} {self.flip}".encode())
        digest.update(self.images.numpy())
        digest.update(self.labels.numpy())
        digest.update(self.captions.tobytes())
        return digest.hexdigest()
