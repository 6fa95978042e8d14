"""Folders where data are looked for, downloaded to and cached."""

import json
import os
from pathlib import Path

from data.files.errors import DataError

__all__ = ["cache_folder", "download_folder", "expanded", "find", "looked_for", "stamp"]

DATASETS = Path("datasets")


def find(root: str | None, *candidates: str) -> Path | None:
    """Find the first of `candidates` that is a file or a folder, or None.

    If `root` is given, only that folder is searched; otherwise the folder that the environment
    variable LDM_DATA names, then `datasets/` in the working folder.
    """
    for folder in _roots(root):
        for candidate in candidates:
            path = folder / candidate
            if path.is_file() or path.is_dir():  # reading a pipe may never end
                return path
    return None


def looked_for(root: str | None, *candidates: str) -> str:
    """List the paths that `find` tries, for error messages."""
    return ", ".join(str(folder / name) for folder in _roots(root) for name in candidates)


def _roots(root: str | None) -> list[Path]:
    if root is not None:
        return [expanded(root)]
    shared = os.environ.get("LDM_DATA")
    return [expanded(shared), DATASETS] if shared else [DATASETS]


def download_folder(root: str | None) -> Path:
    """Return the folder for downloads: `root`, else `datasets/`; LDM_DATA may be read-only."""
    return expanded(root) if root is not None else DATASETS


def cache_folder() -> Path:
    """Return the folder for files that can be made again: LDM_CACHE, else `~/.cache/ldm`.

    Raises:
        DataError: as for `expanded`.
    """
    return expanded(os.environ.get("LDM_CACHE") or "~/.cache/ldm")


def expanded(path: str) -> Path:
    """Replace a `~` at the beginning of a path by the home folder.

    Raises:
        DataError: the home folder is not known.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise DataError(
            f"{path} cannot be found, since that home folder is not known: set HOME, or give the "
            "whole path (LDM_CACHE for caches, LDM_DATA for data)"
        ) from error


def stamp(path: Path) -> str:
    """Identify a version of a file without reading it: its path, size and modification time."""
    status = path.stat()
    return json.dumps([str(path.resolve()), status.st_size, status.st_mtime_ns])
