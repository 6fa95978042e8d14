"""Files that can be made again: named by what they are made from, and made once."""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from data.files.errors import DataError
from data.files.whole import staging

__all__ = ["cached", "content_key"]

log = logging.getLogger(__name__)

T = TypeVar("T")


def content_key(*parts: str | bytes) -> str:
    """Hash what a cached file is made from to 16 hexadecimal digits of SHA-256, for its name."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
    return digest.hexdigest()[:16]


def cached(path: Path, make: Callable[[Path], object], read: Callable[[Path], T]) -> T:
    """Read a file of the cache, and make it first if it is missing.

    Args:
        path: of the file, below `cache_folder()`.
        make: writes the file to the path that it is given; it appears at `path` when it is whole.
        read: reads it.

    Raises:
        DataError: the file is damaged, or the cache cannot be written to.
    """
    if not path.is_file():
        log.info("making %s", path)
        with staging(path) as part:
            make(part)
    try:
        return read(path)
    except Exception as error:  # of numpy, safetensors, zip, JSON: each raises its own kinds
        raise DataError(f"{path} is damaged ({error}): delete it, and it is made again") from error
