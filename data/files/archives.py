"""Archives of images, unpacked once and safely."""

import hashlib
import logging
import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path

from data.files.errors import DataError
from data.files.roots import cache_folder, staging, stamp

__all__ = ["BROKEN", "SUFFIXES", "check_end", "unpack", "unpacked"]

log = logging.getLogger(__name__)

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".zip")

BROKEN = (tarfile.ReadError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError)
"""Exceptions that the standard library raises on damaged archives."""


def unpacked(archive: Path) -> Path:
    """Folder in the cache with an archive's files, unpacked at first use.

    Raises:
        DataError: the archive is damaged, or a member would be written outside the folder.
    """
    key = hashlib.sha256(stamp(archive).encode()).hexdigest()[:16]
    folder = cache_folder() / "unpacked" / f"{archive.name.split('.')[0]}-{key}"
    if not folder.is_dir():
        log.info("unpacking %s to %s", archive, folder)
        unpack(archive, folder)
    return folder


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar or zip archive to a folder that appears only once it is complete.

    Raises:
        DataError: as for `unpacked`.
    """
    with staging(folder) as part:
        try:
            if archive.suffix == ".zip":
                _unzip(archive, part)
            else:
                check_end(archive)
                with tarfile.open(archive) as tar:
                    tar.extractall(part, filter="data")
        except tarfile.FilterError as error:
            raise DataError(f"{archive} is refused as unsafe: {error}") from error
        except BROKEN as error:
            raise DataError(
                f"{archive} cannot be unpacked ({error}): if it is truncated or damaged, fetch it "
                "again"
            ) from error
        part.mkdir(exist_ok=True)  # of an archive without members


def check_end(archive: Path) -> None:
    """Refuse an uncompressed tar cut between two members, which `tarfile` accepts as complete.

    Raises:
        tarfile.ReadError: the end-of-archive marker is missing.
    """
    if archive.suffix == ".tar":
        with archive.open("rb") as file:
            file.seek(max(0, archive.stat().st_size - 1024))
            if file.read().strip(b"\0"):
                raise tarfile.ReadError("the end-of-archive marker is missing")


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            # `extractall` would silently rename such members; the archive is not trustworthy.
            if not (folder / name).resolve().is_relative_to(folder.resolve()):
                raise DataError(f"{archive} is refused as unsafe: {name!r} is outside its folder")
        file.extractall(folder)
