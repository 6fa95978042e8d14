"""Where data is looked for, downloaded to and cached."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.files.errors import DataError

__all__ = ["cache_folder", "download_folder", "find", "looked_for", "staging", "stamp"]

DATASETS = Path("datasets")


def find(root: str | None, *candidates: str) -> Path | None:
    """The first of `candidates` that exists.

    Looked for under `root` alone where one is given, else under the folder that the environment
    variable LDM_DATA names, then under `datasets/` of the working folder. None if nowhere.
    """
    for folder in _roots(root):
        for candidate in candidates:
            if (folder / candidate).exists():
                return folder / candidate
    return None


def looked_for(root: str | None, *candidates: str) -> str:
    """The places `find` looks at, for its caller's error message."""
    return ", ".join(str(folder / name) for folder in _roots(root) for name in candidates)


def _roots(root: str | None) -> list[Path]:
    if root is not None:
        return [Path(root).expanduser()]
    shared = os.environ.get("LDM_DATA")
    return [Path(shared).expanduser(), DATASETS] if shared else [DATASETS]


def download_folder(root: str | None) -> Path:
    """Where downloads go: `root`, else `datasets/`; never LDM_DATA, which may be read-only."""
    return Path(root).expanduser() if root is not None else DATASETS


def cache_folder() -> Path:
    """For what can be made again: the environment variable LDM_CACHE, else `~/.cache/ldm`."""
    return Path(os.environ.get("LDM_CACHE", "~/.cache/ldm")).expanduser()


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """A path beside `target` to write a file or a folder at; moved into place when whole.

    Whoever comes second, of two processes that make the same thing, keeps the first one's.

    Raises:
        DataError: the folder cannot be written to.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent)
    except OSError as error:
        raise DataError(
            f"cannot write to {target.parent} ({error.strerror}): make it writable, or choose "
            "another folder with LDM_CACHE (for caches) or `root` (for downloads)"
        ) from error
    with beside as folder:
        part = Path(folder) / target.name
        yield part
        try:
            part.replace(target)
        except OSError:
            if not target.exists():  # a folder never replaces a full one: somebody was faster
                raise


def stamp(path: Path) -> str:
    """What tells a file from another version of it without reading it: path, size, time."""
    status = path.stat()
    return json.dumps([str(path.resolve()), status.st_size, status.st_mtime_ns])
