"""A folder that holds exactly what one command wrote, and no file of anybody else."""

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from data.files.errors import DataError
from data.files.whole import check_writable, staging, write_whole

__all__ = ["RECORD", "check_exact", "write_exact"]

RECORD = "samples.json"
"""File in the folder that says how its content was made, and lists it under `files`."""


def check_exact(folder: Path) -> None:
    """Refuse a folder that cannot be written, or that holds files which `write_exact` did not make.

    Hidden files are left where they are.

    Raises:
        DataError: the message names the folder and the first such file.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file: name a folder, output=...")
    check_writable(folder)
    if not folder.is_dir():
        return
    check_writable(folder / RECORD)
    found = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    if foreign := sorted(found - _written(folder) - {RECORD}):
        raise DataError(
            f"{folder} holds {len(foreign)} files that were not drawn into it, {foreign[0]} "
            f"first: name another folder, output=..., or move them away"
        )


def write_exact(folder: Path, write: Callable[[Path], object], **facts: Any) -> None:
    """Make a folder hold exactly the files that `write` makes, and a record of them.

    Files of an earlier call are replaced or removed. At every moment the record lists all files in
    the folder, so that an interrupted call can be repeated.

    Args:
        folder: created if it is missing.
        write: called with an empty folder.
        **facts: what else the record holds; plain numbers, texts, lists and dictionaries.

    Raises:
        DataError: as in `check_exact`.
        StorageFull: the device is full.
    """
    check_exact(folder)
    with staging(folder) as part:
        part.mkdir()
        write(part)
        new, old = {path.name for path in part.iterdir()}, _written(folder)
        folder.mkdir(exist_ok=True)  # kept if it is there: it may be a link or a mounted volume
        _record(folder, new | old, facts)
        for name in old - new:
            (folder / name).unlink(missing_ok=True)
        for name in new:
            shutil.move(part / name, folder / name)
        _record(folder, new, facts)


def _written(folder: Path) -> set[str]:
    """List the files that the folder's record names; none without a readable record."""
    try:
        return set(json.loads((folder / RECORD).read_text())["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _record(folder: Path, names: Iterable[str], facts: dict[str, Any]) -> None:
    text = json.dumps({**facts, "files": sorted(names)})
    write_whole(folder / RECORD, lambda part: part.write_text(text + "\n"))
