"""Where data is looked for, downloaded to and cached."""

import json
import os
from pathlib import Path

__all__ = ["cache_folder", "download_folder", "find", "looked_for", "stamp"]

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


def stamp(path: Path) -> str:
    """What tells a file from another version of it without reading it: path, size, time."""
    status = path.stat()
    return json.dumps([str(path.resolve()), status.st_size, status.st_mtime_ns])
