"""Datasets from folders and archives of image files."""

import logging
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import torch

from data.files.archives import SUFFIXES, unpacked
from data.files.errors import DataError
from data.files.roots import find, looked_for
from data.images.base import ImageFiles, Images
from data.images.crop import Crop
from data.images.listing import Listing, damaged, list_images
from data.order import permutation

__all__ = ["ImageFolder"]

log = logging.getLogger(__name__)


class ImageFolder(Images):
    """Images from `root/train/<class>/*` and `root/test/<class>/*`, also without classes.

    `test` may be called `val` or `validation`. If there is no such folder, or the images (or class
    folders) are in `root` itself, a fixed fraction is held out. An archive of such a folder (tar,
    also compressed, or zip) is unpacked once to the cache.

    Args:
        root: path of the folder or archive, also relative to LDM_DATA or `datasets/`.
        size: side of the square images, pixels.
        channels: 3 for colour, 1 to read all files as grey.
        short_side: short side of images before cropping, pixels; by default `size`.
        test_short_side: the same for the test split (GSQ evaluates 256 pixels cropped from 292).
        resize: "adm" or "bilinear", see `Crop`.
        crop: "center" or "random" crops of training images; test images are cropped at the centre.
        flip: mirror training images at random.
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

    train_folders: ClassVar[tuple[str, ...]] = ("train",)
    test_folders: ClassVar[tuple[str, ...]] = ("test", "val", "validation")
    how_to_get = "set `root` to a folder of images, of class folders, or of train/ and test/"

    def __init__(
        self,
        root: str,
        size: int = 256,
        channels: int = 3,
        short_side: int | None = None,
        test_short_side: int | None = None,
        resize: str = "adm",
        crop: str = "center",
        flip: bool = False,
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
        self.root, self.size, self.channels, self.flip = root, size, channels, flip
        self.test_fraction, self.verify, self.skip_corrupt = test_fraction, verify, skip_corrupt
        self.crops = {
            "train": Crop(size, short_side, resize, random=crop == "random"),
            "test": Crop(size, test_short_side or short_side, resize),
        }
        self.skipped = 0

    @property
    def name(self) -> str:
        return Path(self.root).name

    @property
    def views(self) -> tuple[str, ...]:
        """Views of an image; empty for random crops, which cannot be listed."""
        return () if self.crops["train"].random else super().views

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        return tuple(sorted(set(self._listings["train"].classes)))

    def prepare_data(self) -> None:
        """Unpack and verify once on each node; other processes use the cache."""
        _ = self._listings

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
        )

    @cached_property
    def folder(self) -> Path:
        """Folder of the splits, after unpacking."""
        path = Path(self.root).expanduser()
        if not path.exists():
            path = find(None, self.root)
        if path is None:
            places = looked_for(None, self.root)
            raise DataError(f"neither {self.root} nor {places} is there: {self.how_to_get}")
        if path.is_file():
            if not path.name.endswith(SUFFIXES):
                raise DataError(f"{path} is neither a folder nor one of {' '.join(SUFFIXES)}")
            path = unpacked(path)
            inside = list(path.iterdir())
            # Archives often contain a single top folder.
            if len(inside) == 1 and inside[0].is_dir() and inside[0].name not in self.train_folders:
                path = inside[0]
        return path

    @cached_property
    def _listings(self) -> dict[str, Listing]:
        return self.splits()

    def splits(self) -> dict[str, Listing]:
        """List the files of each split, without damaged ones if these are skipped."""
        train, test = (
            next((self.folder / name for name in names if (self.folder / name).is_dir()), None)
            for names in (self.train_folders, self.test_folders)
        )
        first = self._sound(list_images(train or self.folder))
        if train and test:
            second = self._sound(list_images(test))
            unknown = set(second.classes) ^ set(first.classes)
            if unknown:
                raise DataError(
                    f"{train} and {test} should hold the same classes; only one has "
                    f"{sorted(unknown)[:5]}"
                )
            return {"train": first, "test": second}
        count = len(first.names)
        held_out = round(count * self.test_fraction) or 1
        if held_out == count:
            raise DataError(f"{self.folder} holds {count} images, too few to hold any out")
        order = permutation(count, 0).tolist()  # the split does not depend on the training seed
        return {
            "train": first.subset(sorted(order[held_out:])),
            "test": first.subset(sorted(order[:held_out])),
        }

    def _sound(self, listing: Listing) -> Listing:
        if not (self.verify or self.skip_corrupt):
            return listing
        faults = damaged(listing)
        if not faults:
            return listing
        count = f"{len(faults)} of {len(listing.names)} images under {listing.folder} are damaged"
        fault = next(iter(faults.values()))
        if not self.skip_corrupt:
            raise DataError(f"{count}; the first: {fault}")
        if len(faults) == len(listing.names):
            raise DataError(f"all of {count}; the first: {fault}")
        log.warning("%s and left out", count)
        self.skipped += len(faults)
        return listing.subset([row for row in range(len(listing.names)) if row not in faults])
