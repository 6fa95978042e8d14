"""Folders where data are looked for, downloaded to and cached."""

import json
import os
from pathlib import Path

__all__ = ["cache_folder", "download_folder", "find", "looked_for", "stamp"]

DATASETS = Path("datasets")


def find(root: str | None, *candidates: str) -> Path | None:
    """Find the first of `candidates` that exists, or None.

    If `root` is given, only that folder is searched; otherwise the folder that the environment
    variable LDM_DATA names, then `datasets/` in the working folder.
    """
    for folder in _roots(root):
        for candidate in candidates:
            if (folder / candidate).exists():
                return folder / candidate
    return None


def looked_for(root: str | None, *candidates: str) -> str:
    """List the paths that `find` tries, for error messages."""
    return ", ".join(str(folder / name) for folder in _roots(root) for name in candidates)


def _roots(root: str | None) -> list[Path]:
    if root is not None:
        return [Path(root).expanduser()]
    shared = os.environ.get("LDM_DATA")
    return [Path(shared).expanduser(), DATASETS] if shared else [DATASETS]


def download_folder(root: str | None) -> Path:
    """Return the folder for downloads: `root`, else `datasets/`; LDM_DATA may be read-only."""
    return Path(root).expanduser() if root is not None else DATASETS


def cache_folder() -> Path:
    """Return the folder for files that can be made again: LDM_CACHE, else `~/.cache/ldm`."""
    return Path(os.environ.get("LDM_CACHE", "~/.cache/ldm")).expanduser()


def stamp(path: Path) -> str:
    """Identify a version of a file without reading it: its path, size and modification time."""
    status = path.stat()
    return json.dumps([str(path.resolve()), status.st_size, status.st_mtime_ns])
