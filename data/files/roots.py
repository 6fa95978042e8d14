"""Folders that data is searched in, downloaded to and cached in."""

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
    """Path of the first of `candidates` that exists, or None.

    Searches `root` alone if it is given, else the folder in the environment variable LDM_DATA, then
    `datasets/` in the working folder.
    """
    for folder in _roots(root):
        for candidate in candidates:
            if (folder / candidate).exists():
                return folder / candidate
    return None


def looked_for(root: str | None, *candidates: str) -> str:
    """The paths that `find` tries, for an error message."""
    return ", ".join(str(folder / name) for folder in _roots(root) for name in candidates)


def _roots(root: str | None) -> list[Path]:
    if root is not None:
        return [Path(root).expanduser()]
    shared = os.environ.get("LDM_DATA")
    return [Path(shared).expanduser(), DATASETS] if shared else [DATASETS]


def download_folder(root: str | None) -> Path:
    """Folder of downloads: `root`, else `datasets/`; never LDM_DATA, which may be read-only."""
    return Path(root).expanduser() if root is not None else DATASETS


def cache_folder() -> Path:
    """Folder of files that can be recreated: LDM_CACHE in the environment, else `~/.cache/ldm`."""
    return Path(os.environ.get("LDM_CACHE", "~/.cache/ldm")).expanduser()


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target`, and move what is written there into place at the end.

    If two processes create the same folder, the first one's is kept.

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
            if not target.exists():  # else another process created the same folder first
                raise


def stamp(path: Path) -> str:
    """Identity of a file's version without reading it: path, size and modification time."""
    status = path.stat()
    return json.dumps([str(path.resolve()), status.st_size, status.st_mtime_ns])
