"""Archives of images, unpacked once and safely.

An archive may come from anywhere, so nothing in it is trusted: files are written by their content
alone, never by their modes or owners; links and special files are refused, since links may lead out
of the folder (CVE-2025-4517), and what an archive grows to is bounded.
"""

import bz2
import gzip
import logging
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from stat import S_IFMT, S_IFREG
from typing import IO

import rich.progress

from data.files.cache import content_key
from data.files.errors import DataError
from data.files.roots import cache_folder, stamp
from data.files.whole import staging

__all__ = ["SUFFIXES", "check_end", "opened", "unpack", "unpacked"]

log = logging.getLogger(__name__)

DECOMPRESSORS = {".gz": gzip.open, ".tgz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".zip")

# What the standard library raises on archives that are damaged or of kinds that it cannot read.
BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
)

SMALL = 1 << 30  # bytes; archives that unpack to less are not suspected of being bombs
GROWTH = 100  # images hardly shrink: larger archives may unpack to this many times their size
LONGEST_NAME, LONGEST_PATH = 255, 1024  # bytes; what file systems take below any folder

Members = Iterator[tuple[str, IO[bytes]]]


def unpacked(archive: Path) -> Path:
    """Return the folder of an archive's files in the cache, unpacking them the first time.

    Raises:
        DataError: as for `opened`.
    """
    name = f"{archive.name.split('.')[0]}-{content_key(stamp(archive))}"
    folder = cache_folder() / "unpacked" / name
    if not folder.is_dir():
        log.info("unpacking %s to %s", archive, folder)
        unpack(archive, folder)
    return folder


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar or zip archive to a folder that appears when it is whole.

    Raises:
        DataError: as for `opened`.
    """
    with staging(folder) as part, opened(archive) as members:
        part.mkdir()
        for name, content in members:
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            with (part / name).open("wb") as file:
                shutil.copyfileobj(content, file)


@contextmanager
def opened(archive: Path) -> Iterator[Members]:
    """Open a tar or zip archive and yield its files in turn: the name and the content of each.

    Raises:
        DataError: the archive is damaged or encrypted, grows suspiciously, or has a member that is
            a link, a special file, or named such that it would be outside a folder.
    """
    read = _zip_members if archive.suffix == ".zip" else _tar_members
    try:
        with rich.progress.open(archive, "rb", description=archive.name, transient=True) as file:
            yield read(archive, file)
    except BROKEN as error:
        raise DataError(
            f"{archive} cannot be unpacked ({error}): if it is truncated or damaged, fetch it again"
        ) from error


def _tar_members(archive: Path, file: IO[bytes]) -> Members:
    check_end(archive)
    decompress = DECOMPRESSORS.get(archive.suffix, lambda file: file)
    bounded = _Bounded(decompress(file).read, archive)
    with tarfile.open(fileobj=bounded, mode="r|") as tar:
        for member in tar:
            if not (member.isfile() or member.isdir()):
                raise _unsafe(archive, f"{member.name!r} is a link or a special file")
            _check_name(archive, member.name)
            if member.issparse():  # a few bytes may stand for terabytes of zeros
                raise _unsafe(archive, f"{member.name!r} is a sparse file")
            if member.isfile():
                yield member.name, tar.extractfile(member)


def _zip_members(archive: Path, file: IO[bytes]) -> Members:
    with zipfile.ZipFile(file) as whole:
        bound = _bound(archive)
        for info in whole.infolist():
            if S_IFMT(info.external_attr >> 16) not in (0, S_IFREG) and not info.is_dir():
                raise _unsafe(archive, f"{info.filename!r} is a link or a special file")
            _check_name(archive, info.filename)
            if info.flag_bits & 1:
                raise DataError(f"{archive} is encrypted: unpack it yourself, and give the folder")
            bound -= info.file_size  # `zipfile` reads no more, whatever is compressed there
            if bound < 0:
                raise _too_large(archive)
            if not info.is_dir():
                with whole.open(info) as content:
                    yield info.filename, content


def _check_name(archive: Path, name: str) -> None:
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise _unsafe(archive, f"{name[:100]!r} is outside its folder")
    longest = max((len(part.encode("utf-8", "surrogateescape")) for part in parts), default=0)
    if longest > LONGEST_NAME or len(name.encode("utf-8", "surrogateescape")) > LONGEST_PATH:
        raise _unsafe(archive, f"the name {name[:40]!r}... is too long")


def check_end(archive: Path) -> None:
    """Refuse an uncompressed tar that was cut between two members; `tarfile` does not notice."""
    if archive.suffix == ".tar":
        with archive.open("rb") as file:
            file.seek(max(0, archive.stat().st_size - 1024))
            if file.read().strip(b"\0"):
                raise tarfile.ReadError("the end-of-archive marker is missing")


class _Bounded:
    """A decompressed stream that ends in an error where it grows too large."""

    def __init__(self, source: Callable[[int], bytes], archive: Path) -> None:
        self.source, self.archive, self.left = source, archive, _bound(archive)

    def read(self, size: int) -> bytes:
        content = self.source(size)
        self.left -= len(content)
        if self.left < 0:
            raise _too_large(self.archive)
        return content


def _bound(archive: Path) -> int:
    return max(SMALL, GROWTH * archive.stat().st_size)


def _too_large(archive: Path) -> DataError:
    return _unsafe(
        archive,
        f"it unpacks to over {_bound(archive) / 1e9:.3g} GB, as zip bombs do; if you trust it, "
        "unpack it yourself and give the folder",
    )


def _unsafe(archive: Path, reason: str) -> DataError:
    return DataError(f"{archive} is refused as unsafe: {reason}")
