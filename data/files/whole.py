"""Files and folders that are whole or not there at all."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from data.files.errors import DataError

__all__ = ["StorageFull", "check_writable", "staging", "write_whole"]

FULL = (errno.ENOSPC, errno.EDQUOT)
# torch and safetensors put the system's error in one of their own, with one of these texts.
FULL_TEXTS = ("No space left", "os error 28", "os error 122", "iostream error")


class StorageFull(OSError):
    """The device has no space left for a file; an older version of it is intact."""


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

    Both paths have the same name and file system. A file is flushed to disk and replaces an older
    one. If two processes make the same folder, the second keeps the first one's. After an error
    nothing is left of the new version.

    Raises:
        StorageFull: the device is full; `path` is as it was.
        DataError: the folder cannot be written to.
    """
    try:
        with _beside(path) as folder:
            part = Path(folder) / path.name
            yield part
            if part.is_file():
                with part.open("rb+") as file:
                    os.fsync(file.fileno())
            try:
                part.replace(path)
            except OSError:
                if not path.is_dir():  # a folder never replaces one that is not empty
                    raise
    except Exception as error:
        if not _is_full(error):
            raise
        kept = f"; the older {path.name} is intact" if path.exists() else ""
        raise StorageFull(
            errno.ENOSPC, f"no space left to save {path}{kept}: free some and run again"
        ) from error


def check_writable(path: Path) -> None:
    """Refuse a path that no file or folder can be written to, before its content is made.

    Raises:
        DataError: the folder of the path cannot be written to.
    """
    with _beside(path):
        pass


def _beside(path: Path) -> tempfile.TemporaryDirectory:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent)
    except OSError as error:
        raise DataError(
            f"cannot write to {path.parent} ({error.strerror}): make it writable, or choose "
            "another folder with LDM_CACHE (for caches), `root` (for downloads), `run` or `output`"
        ) from error


def _is_full(error: BaseException | None) -> bool:
    while error is not None:
        if getattr(error, "errno", None) in FULL or any(t in str(error) for t in FULL_TEXTS):
            return True
        error = error.__cause__ or error.__context__
    return False
