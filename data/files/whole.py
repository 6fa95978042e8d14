"""Files and folders that are whole or not there at all."""

import glob
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from data.files.errors import DataError
from data.files.full import needs_space
from data.files.lock import locked

__all__ = ["check_writable", "staging", "write_whole"]

LOCK = ".lock"  # of a temporary folder
mine: set[Path] = set()  # temporary folders of this process, which does not see its own locks


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary path and move the file or folder it makes to `path`.

    Raises:
        StorageFull, DataError: as in `staging`.
    """
    with staging(path) as part:
        write(part)


@contextmanager
def staging(path: Path) -> Iterator[Path]:
    """Yield a temporary path for a file or folder, and move it to `path` when the block ends.

    Both paths have the same name and file system. A file is flushed to disk, has the permissions of
    any new file, and replaces an older one. If two processes make the same folder, the second keeps
    the first one's. After an error nothing is left of the new version; what a killed process leaves
    is removed when `path` is next written.

    Raises:
        StorageFull: the device is full; `path` is as it was.
        DataError: the folder cannot be written to.
    """
    with needs_space(path), _beside(path) as folder:
        part = folder / path.name
        yield part
        if part.is_file():
            _finish(part, like=folder / LOCK)
        try:
            part.replace(path)
        except OSError:
            if not path.is_dir():  # a folder never replaces one that is not empty
                raise


def check_writable(path: Path) -> None:
    """Refuse a path that no file or folder can be written to, before its content is made.

    Folders that are missing are not made: the one that they would be made in is tried.

    Raises:
        DataError: the folder of the path cannot be written to.
    """
    there = path.parent
    try:
        path.is_dir()  # an error if the system cannot hold the name
        while not there.exists():
            there = there.parent
        with tempfile.TemporaryDirectory(prefix=".try-", dir=there):
            pass
    except OSError as error:
        raise _unwritable(path.parent, error) from error


def _unwritable(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"cannot write to {folder} ({error.strerror}): make it writable, or choose "
        "another folder with LDM_CACHE (for caches), `root` (for downloads), `run` or `output`"
    )


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`, locked until it is removed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        made = tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent)
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    with made as name, locked(Path(name) / LOCK):
        folder = Path(name)
        mine.add(folder)
        try:
            yield folder
        finally:
            mine.remove(folder)


def _remove_leftovers(path: Path) -> None:
    """Remove temporary folders for `path` whose processes were killed."""
    for folder in path.parent.glob(f".{glob.escape(path.name)}-*"):
        if folder in mine or not (folder / LOCK).is_file():
            continue
        with suppress(OSError), locked(folder / LOCK) as free:  # OSError: removed meanwhile
            if free:
                shutil.rmtree(folder)


def _finish(file: Path, like: Path) -> None:
    """Flush a file to disk, and give it the permissions of another, not those its writer chose."""
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())
    file.chmod(stat.S_IMODE(like.stat().st_mode))
