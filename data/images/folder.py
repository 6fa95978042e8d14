"""Datasets from folders and archives of image files."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from data.files.errors import DataError
from data.images.base import Images
from data.images.crop import Crop
from data.images.files import ImageFiles
from data.images.folders import Folders
from data.images.inspection import inspect
from data.images.listing import Listing, list_images
from data.images.reading import BITS

__all__ = ["ImageFolder"]

log = logging.getLogger(__name__)


class ImageFolder(Folders, Images):
    """Images from `root/train/<class>/*` and `root/test/<class>/*`, also without classes.

    `test` may be called `val` or `validation`, all in upper or lower case. If there is no such
    folder, or the images (or class folders) are in `root` itself, a fixed fraction of every class
    is held out. An archive of such a folder (tar, also compressed, or zip) is unpacked once to the
    cache. Captions are read from a `metadata.csv` or `metadata.jsonl`, or from a `.txt` beside each
    image, see `read_captions`; batches then have a `text`.

    Args:
        root: path of the folder or archive, also relative to LDM_DATA or `datasets/`.
        size: side of the square images, or their height and width, pixels.
        channels: 3 for colour, 1 to read all files as grey.
        short_side: short side of images before cropping, pixels; by default `size`; see `Crop`.
        test_short_side: the same for the test split (GSQ evaluates 256 pixels cropped from 292).
        resize: "adm" or "bilinear", see `Crop`.
        crop: "center" or "random" crops of training images; test images are cropped at the centre.
        flip: mirror training images at random.
        bits: how many bits of 16-bit files are in use: 12 if white is 4095, as from many cameras.
        upright: turn images as their EXIF orientation tags say; papers' loaders ignore these tags.
        test_fraction: fraction held out if there is no test folder.
        verify: decode every file before training; the result is cached until the folder changes.
        skip_corrupt: leave out damaged files and count them in `skipped`.
        seed: seed of the sample order and the augmentation.
        workers: number of data loading processes.

    Raises:
        DataError: `root` is missing, empty or not a readable archive, has damaged files (the
            message names one), or the classes of its splits differ.

    Example:
        >>> ImageFolder("ffhq.tar", size=256, flip=True).shape
        (3, 256, 256)
    """

    kind = "images"
    how_to_get = "set `root` to a folder of images, of class folders, or of train/ and test/"

    def __init__(
        self,
        root: str,
        size: int | Sequence[int] = 256,
        channels: int = 3,
        short_side: int | None = None,
        test_short_side: int | None = None,
        resize: str = "adm",
        crop: str = "center",
        flip: bool = False,
        bits: int = BITS,
        upright: bool = False,
        test_fraction: float = 0.1,
        verify: bool = True,
        skip_corrupt: bool = False,
        seed: int = 0,
        workers: int = 4,
    ) -> None:
        super().__init__(seed, workers)
        if channels not in (1, 3):
            raise DataError(f"images have 1 channel or 3, got {channels}")
        if crop not in ("center", "random"):
            raise DataError(f"crop must be 'center' or 'random', got {crop!r}")
        if not 0 < test_fraction < 1:
            raise DataError(f"test_fraction must be in (0, 1), got {test_fraction}")
        if not root:
            raise DataError(f"root is empty: {self.how_to_get}")
        if not 1 <= bits <= BITS:
            raise DataError(f"16-bit files use 1 to {BITS} bits, got bits={bits}")
        self.root, self.size, self.channels, self.flip = root, size, channels, flip
        self.bits, self.upright = bits, upright
        self.test_fraction, self.verify, self.skip_corrupt = test_fraction, verify, skip_corrupt
        self.crops = {
            "train": Crop(size, short_side, resize, random=crop == "random"),
            "test": Crop(size, short_side if test_short_side is None else test_short_side, resize),
        }
        self.skipped = 0

    @property
    def views(self) -> tuple[str, ...]:
        """Views of an image; empty for random crops, which cannot be listed."""
        return () if self.crops["train"].random else super().views

    def load(self, split: str) -> ImageFiles:
        listing = self._listings[split]
        number = {name: label for label, name in enumerate(self.class_names)}
        labels = [number[name] for name in listing.classes] or [-1] * len(listing.names)
        return ImageFiles(
            listing.folder,
            listing.names,
            torch.tensor(labels),
            self.crops[split],
            self.channels,
            flip=self.flip and split == "train",
            bits=self.bits,
            upright=self.upright,
            captions=listing.captions,
            width=self.text_width,
            places=listing.places,
        )

    def listed(self, folder: Path) -> Listing:
        return list_images(folder)

    def sound(self, listing: Listing) -> Listing:
        """Decode all images once, if that is asked for; leaves out damaged ones, or refuses them.

        Raises:
            DataError: an image is damaged, or numbers of 16-bit images are larger than `bits` says.
        """
        if not (self.verify or self.skip_corrupt):
            return listing
        found = inspect(listing)
        if found.turned and not self.upright:
            log.warning(
                "%d of %d images under %s have an EXIF orientation that is ignored, as papers' "
                "loaders do: set upright=true to turn them",
                *(found.turned, len(listing.names), listing.folder),
            )
        self._check_bits(found.brightest, listing.folder)
        return self.without(listing, found.damaged)

    def _check_bits(self, brightest: int, folder: Path) -> None:
        used = brightest.bit_length()
        if used > self.bits:
            raise DataError(
                f"16-bit images under {folder} reach {brightest}, beyond the {2**self.bits - 1} of "
                f"bits={self.bits}: set bits={used} or more"
            )
        if 0 < used <= self.bits - 2:
            log.warning(
                "16-bit images under %s reach %d of %d, so they are dark: set bits=%d if that is "
                "their white",
                *(folder, brightest, 2**self.bits - 1, used),
            )
