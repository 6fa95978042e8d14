"""Listings of the images or videos of a folder, and their classes."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from data.files.errors import DataError
from data.files.stored import content, holder
from data.images.reading import EXTENSIONS

__all__ = ["HIDDEN", "Listing", "files_below", "in_classes", "list_images", "subfolder"]

HIDDEN = (".", "__MACOSX")  # beginnings of names that are passed over


class Listing(NamedTuple):
    """The images or videos of a folder.

    Attributes:
        folder: folder that the names are relative to.
        names: sorted names of the files, and of videos that are folders of frames.
        classes: first folder of each name; empty if the files are in the folder itself.
        captions: text of each file; empty without captions.
        places: offset and size, bytes, of each image in the archive that is its folder; empty for
            files of their own.
    """

    folder: Path
    names: list[str]
    classes: list[str]
    captions: Sequence[str] = ()
    places: Sequence[tuple[int, int]] = ()

    def subset(self, rows: list[int]) -> "Listing":
        """Select rows."""
        folder, *columns = self
        return Listing(
            folder, *([column[row] for row in rows] if column else [] for column in columns)
        )

    def source(self, row: int) -> Path | BytesIO:
        """Return the file of an image, or its content where it is in an archive or a database.

        Raises:
            DataError: the archive or database has changed, or is damaged.
        """
        return content(self.folder / self.names[row], self.places[row] if self.places else None)

    def digest(self) -> str:
        """Hash location, names, sizes and modification times of the files, without reading them."""
        digest = hashlib.sha256(str(self.folder.resolve()).encode())
        for row, name in enumerate(self.names):
            place = self.places[row] if self.places else None
            status = os.stat(holder(self.folder / name, place))
            inside = f" {place}" if place else ""
            line = f"{name} {status.st_size} {status.st_mtime_ns}{inside}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def list_images(folder: Path) -> Listing:
    """List the images of a folder: all `<class>/**/<image>`, or all `<image>`.

    Raises:
        DataError: there are no images, or some are in class folders and some are not; a folder
            cannot be read, or a link leads nowhere or to a folder that is listed already.
    """
    names = sorted(files_below(folder, EXTENSIONS))
    if not names:
        raise DataError(f"no images under {folder}: files that end in {' '.join(EXTENSIONS)} count")
    return in_classes(folder, names, "images")


def in_classes(folder: Path, names: list[str], kind: str) -> Listing:
    """Make a listing whose classes are the first folders of names.

    Raises:
        DataError: some are in class folders and some are not; the message calls them `kind`.
    """
    loose = [name for name in names if "/" not in name]
    if loose and len(loose) < len(names):
        raise DataError(
            f"{folder} holds {len(loose)} {kind} beside its class folders, {loose[0]} first: "
            "put all in class folders, or none"
        )
    classes = [] if loose else [name.split("/")[0] for name in names]
    return Listing(folder, names, classes)


def files_below(folder: Path, extensions: tuple[str, ...]) -> Iterator[str]:
    """Names of the files below a folder that end so, in upper or lower case, also through links.

    Raises:
        DataError: a folder cannot be read, or a link leads nowhere or to a folder that is listed
            already; such a file is a pipe or a device.
    """
    listed: dict[tuple[int, int], str] = {}
    for base, folders, files in os.walk(folder, followlinks=True, onerror=_unreadable):
        status = os.stat(base)
        before = listed.setdefault((status.st_dev, status.st_ino), base)
        if before != base:  # it would multiply the files, or never end
            raise DataError(f"{base} and {before} are one folder: remove the link")
        folders[:] = [name for name in folders if not name.startswith(HIDDEN)]
        inside = Path(base).relative_to(folder)
        for name in files:
            if name.startswith(HIDDEN):
                continue
            listed_here = name.lower().endswith(extensions)
            _check_file(os.path.join(base, name), listed_here)
            if listed_here:
                yield (inside / name).as_posix()


def _check_file(path: str, wanted: bool) -> None:
    if os.path.isfile(path):
        return
    if os.path.islink(path) and not os.path.exists(path):
        raise DataError(f"{path} is a link to what is not there: remove or mend it")
    if wanted:  # reading a pipe or a device may never end
        raise DataError(f"{path} is not a file but a pipe, a device or a socket: remove it")


def _unreadable(error: OSError) -> None:
    raise DataError(
        f"{error.filename} cannot be listed ({error.strerror}): make it readable, or remove it"
    ) from error


def subfolder(folder: Path, name: str) -> Path | None:
    """Find the folder of this name, which may have several parts, in upper or lower case.

    Raises:
        DataError: there are several.
    """
    for part in name.split("/"):
        if not folder.is_dir():
            return None
        with os.scandir(folder) as inside:
            alike = sorted(one.name for one in inside if one.name.lower() == part.lower())
        alike = [name for name in alike if (folder / name).is_dir()]
        if len(alike) > 1:
            raise DataError(f"{folder} holds {' and '.join(alike)}: keep one of them")
        if not alike:
            return None
        folder = folder / alike[0]
    return folder
