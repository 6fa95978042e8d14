"""Atomic writing of files."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["StorageFull", "write_whole"]

FULL = (errno.ENOSPC, errno.EDQUOT)
# torch and safetensors wrap the system's error in their own, with one of these texts.
FULL_TEXTS = ("No space left", "os error 28", "os error 122", "iostream error")


class StorageFull(OSError):
    """No space is left to write a file; its older version is intact."""


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Call `write` on a temporary file beside `path`, then move it into place.

    Raises:
        StorageFull: the device is full; `path` is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except Exception as error:
        temporary.unlink(missing_ok=True)
        if _is_full(error):
            kept = f"; the older {path.name} is intact" if path.exists() else ""
            raise StorageFull(
                errno.ENOSPC, f"no space left to save {path}{kept}: free some and run again"
            ) from error
        raise


def _is_full(error: BaseException | None) -> bool:
    while error is not None:
        if getattr(error, "errno", None) in FULL or any(t in str(error) for t in FULL_TEXTS):
            return True
        error = error.__cause__ or error.__context__
    return False
