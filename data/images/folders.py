"""Datasets in folders and archives of files: their splits, classes and captions."""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch

from data.batch import Batch
from data.files.archives import SUFFIXES, unpacked
from data.files.errors import DataError
from data.files.roots import expanded, find, looked_for
from data.images.captions import TABLES, as_text, read_captions
from data.images.listing import HIDDEN, Listing, subfolder
from data.images.pixels import Pixels
from data.images.reading import SKIP
from data.images.split import held_out

__all__ = ["Folders"]

log = logging.getLogger(__name__)


class Folders(Pixels):
    """Images or videos from `root/train/<class>/*` and `root/test/<class>/*`, or without classes.

    A subclass lists a folder, and decides which of its files are sound.
    """

    train_folders: Sequence[str] = ("train",)
    test_folders: Sequence[str] = ("test", "val", "validation")
    tables: ClassVar[tuple[str, ...]] = TABLES
    kind: ClassVar[str]
    """Word for the files in messages, such as images."""

    how_to_get: ClassVar[str]

    root: str
    """Path of the folder or archive, also relative to LDM_DATA or `datasets/`."""

    test_fraction: float
    """Fraction held out if there is no test folder."""

    skip_corrupt: bool
    """Leave out files that cannot be used, and count them in `skipped`."""

    skipped: int

    @abstractmethod
    def listed(self, folder: Path) -> Listing:
        """List the files of a folder.

        Raises:
            DataError: there are none.
        """

    @abstractmethod
    def sound(self, listing: Listing) -> Listing:
        """Leave out damaged files, or refuse them.

        Raises:
            DataError: a file is damaged; the message names it.
        """

    def without(self, listing: Listing, faults: dict[int, str]) -> Listing:
        """Leave out files that cannot be used, if that is asked for.

        Args:
            listing: of the files.
            faults: why files cannot be used, by rows.

        Raises:
            DataError: that is not asked for, or no file is left; the message names the first.
        """
        if not faults:
            return listing
        total, first = len(listing.names), faults[min(faults)]
        count = f"{len(faults)} of {total} {self.kind} under {listing.folder} cannot be used"
        if len(faults) == total:  # to leave them out is no remedy
            raise DataError(f"all of {count}; the first: {first.removesuffix(SKIP)}")
        if not self.skip_corrupt:
            raise DataError(f"{count}; the first: {first}")
        log.warning("%s and are left out; the first: %s", count, first.removesuffix(SKIP))
        self.skipped += len(faults)
        return listing.subset([row for row in range(total) if row not in faults])

    @property
    def name(self) -> str:
        return Path(self.root).name

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        return tuple(sorted(set(self._listings["train"].classes)))

    def prepare_data(self) -> None:
        """Unpack and verify once on each node; other processes use the cache."""
        _ = self._listings

    @cached_property
    def text_width(self) -> int:
        """Bytes of the longest caption of any split; 0 without captions."""
        if not self.tables:
            return 0
        captions = [one for listing in self._listings.values() for one in listing.captions]
        return max((len(caption.encode()) for caption in captions), default=0)

    def requests(self, indices: Sequence[int], seed: int, **asked: Any) -> Batch:
        """Return conditions as all sets do; captions are those of test samples, in turn.

        Labels are then those of the same samples; with `label`, only those of that class are taken.
        """
        batch = super().requests(indices, seed, **asked)
        if not self.text_width or "text" in asked:
            return batch
        listing, label = self._listings["test"], asked.get("label")
        name = None if label is None else self.class_names[label]
        rows = [
            row for row, kind in enumerate(listing.classes or listing.names) if name in (None, kind)
        ]
        if not rows:
            raise DataError(
                f"none of the test {self.kind} of {self.name} is a {name}, with a caption: ask "
                "for a text"
            )
        rows = [rows[index % len(rows)] for index in indices]
        if self.classes:
            labels = [self.class_names.index(listing.classes[row]) for row in rows]
            batch["label"] = torch.tensor(labels)
        return {**batch, "text": as_text([listing.captions[row] for row in rows], self.text_width)}

    @cached_property
    def folder(self) -> Path:
        """Folder of the splits, after unpacking."""
        path = expanded(self.root)
        if not path.exists():
            path = find(None, self.root)
        if path is None:
            places = dict.fromkeys([self.root, *looked_for(None, self.root).split(", ")])
            raise DataError(f"there is none of {', '.join(places)}: {self.how_to_get}")
        if path.is_file():
            if not path.name.endswith(SUFFIXES):
                raise DataError(f"{path} is neither a folder nor one of {' '.join(SUFFIXES)}")
            path = unpacked(path)
            inside = [one for one in path.iterdir() if not one.name.startswith(HIDDEN)]
            # Archives often contain a single top folder.
            if len(inside) == 1 and inside[0].is_dir() and self._split(path, "train") is None:
                path = inside[0]
        return path

    @cached_property
    def _listings(self) -> dict[str, Listing]:
        return self.splits()

    def splits(self) -> dict[str, Listing]:
        """List the files of each split, without damaged ones if these are skipped."""
        first, second = self.both()
        if second is not None:
            return {"train": first, "test": second}
        count = len(first.names)
        chosen = set(held_out(first.classes or [""] * count, self.test_fraction))
        if not chosen:
            raise DataError(
                f"{self.folder} holds {count} {self.kind}, too few to hold any out of a "
                "class: add some, or put those for tests in a folder test/ beside train/"
            )
        return {
            "train": first.subset([row for row in range(count) if row not in chosen]),
            "test": first.subset(sorted(chosen)),
        }

    def both(self) -> tuple[Listing, Listing | None]:
        """List all files, or those of both splits where there are folders of them."""
        train, test = self._split(self.folder, "train"), self._split(self.folder, "test")
        first = self.checked(train or self.folder)
        if not (train and test):
            return first, None
        second = self.checked(test)
        if unknown := set(second.classes) ^ set(first.classes):
            raise DataError(
                f"{train} and {test} should hold the same classes; only one has "
                f"{sorted(unknown)[:5]}"
            )
        return first, second

    def _split(self, folder: Path, split: str) -> Path | None:
        names = self.train_folders if split == "train" else self.test_folders
        return next(filter(None, (subfolder(folder, name) for name in names)), None)

    def checked(self, folder: Path) -> Listing:
        """List the sound files of a folder, with their captions."""
        listing = self.listed(folder)
        listing = listing._replace(captions=self.captions_of(listing))
        return self.sound(listing)

    def captions_of(self, listing: Listing) -> list[str]:
        """Read a caption for each file; empty without captions.

        Raises:
            DataError: captions are damaged, or some files have none.
        """
        return read_captions(listing, self.folder, self.tables)
