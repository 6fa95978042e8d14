"""Disks without space, said in one message that names the file there was none for."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["StorageFull", "needs_space"]

FULL = (errno.ENOSPC, errno.EDQUOT)
# torch, safetensors and numpy put the system's error in one of their own, with one of these texts.
FULL_TEXTS = (
    "No space left",
    "os error 28",
    "os error 122",
    "iostream error",
    "requested and",  # "45984 requested and 496 written"
)


class StorageFull(OSError):
    """The device has no space left for a file; an older version of it is intact."""


@contextmanager
def needs_space(path: Path) -> Iterator[None]:
    """Run a block that writes to `path`; the system's own error often names no file.

    Raises:
        StorageFull: the device is full.
    """
    try:
        yield
    except Exception as error:
        if not _is_full(error):
            raise
        kept = f"; the older {path.name} is intact" if path.exists() else ""
        raise StorageFull(
            errno.ENOSPC, f"no space left to save {path}{kept}: free some and run again"
        ) from error


def _is_full(error: BaseException | None) -> bool:
    while error is not None:
        if getattr(error, "errno", None) in FULL or any(t in str(error) for t in FULL_TEXTS):
            return True
        error = error.__cause__ or error.__context__
    return False
