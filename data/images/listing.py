"""Listings of the images of a folder, their classes, and damaged files."""

import hashlib
import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from rich.progress import track

from data.files.errors import DataError
from data.files.roots import cache_folder
from data.files.whole import staging
from data.images.base import read_image

__all__ = ["EXTENSIONS", "Listing", "damaged", "list_images"]

log = logging.getLogger(__name__)

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


class Listing(NamedTuple):
    """The images of a folder.

    Attributes:
        folder: folder that the names are relative to.
        names: sorted names of the files.
        classes: first folder of each name; empty if the images are in the folder itself.
    """

    folder: Path
    names: list[str]
    classes: list[str]

    def subset(self, rows: list[int]) -> "Listing":
        """Select rows."""
        classes = [self.classes[row] for row in rows] if self.classes else []
        return Listing(self.folder, [self.names[row] for row in rows], classes)

    def digest(self) -> str:
        """Hash location, names, sizes and modification times of the files, without reading them."""
        digest = hashlib.sha256(str(self.folder.resolve()).encode())
        for name in self.names:
            status = os.stat(self.folder / name)
            line = f"{name} {status.st_size} {status.st_mtime_ns}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def list_images(folder: Path) -> Listing:
    """List the images of a folder: all `<class>/**/<image>`, or all `<image>`.

    Raises:
        DataError: there are no images, or some are in class folders and some are not.
    """
    names = []
    for base, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        inside = Path(base).relative_to(folder)
        names += [
            (inside / name).as_posix()
            for name in files
            if name.lower().endswith(EXTENSIONS) and not name.startswith(".")
        ]
    if not names:
        raise DataError(f"no images under {folder}: files that end in {' '.join(EXTENSIONS)} count")
    names.sort()
    loose = [name for name in names if "/" not in name]
    if loose and len(loose) < len(names):
        raise DataError(
            f"{folder} holds {len(loose)} images beside its class folders, {loose[0]} first: "
            "put all in class folders, or none"
        )
    classes = [] if loose else [name.split("/")[0] for name in names]
    return Listing(folder, names, classes)


def damaged(listing: Listing) -> dict[int, str]:
    """Decode every file; return the rows of damaged images with the reason.

    The result is cached until the folder changes.

    Raises:
        DataError: the cache folder is not writable.
    """
    cache = cache_folder() / "verified" / f"{listing.digest()[:32]}.json"
    if not cache.exists():
        log.info("verifying %d images under %s", len(listing.names), listing.folder)
        paths = [listing.folder / name for name in listing.names]
        with staging(cache) as part, ThreadPoolExecutor() as threads:
            faults = track(
                threads.map(_fault, paths), "verifying", total=len(paths), transient=True
            )
            part.write_text(json.dumps({row: fault for row, fault in enumerate(faults) if fault}))
    return {int(row): fault for row, fault in json.loads(cache.read_text()).items()}


def _fault(path: Path) -> str | None:
    try:
        read_image(path)
    except DataError as error:
        return str(error)
    return None
