"""Files that stand alone, in a tar archive, or in a database."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from data.files.database import DATABASE, read_entry
from data.files.tar_index import read_at

__all__ = ["content", "holder"]


def holder(path: Path, place: Sequence[int] | None = None) -> Path:
    """The file on disk that holds this one: itself, or the archive or database that it is below.

    Args:
        path: of the file; below an archive or database, that, and then its name there.
        place: its offset and size in an archive, bytes.
    """
    return path.parent if place is not None or path.parent.name == DATABASE else path


def content(path: Path, place: Sequence[int] | None = None) -> Path | BytesIO:
    """The path of a file that stands alone, or the content of one that does not.

    Args:
        path, place: as for `holder`.

    Raises:
        DataError: its archive or database has changed, or is damaged.
    """
    if place is not None:
        return BytesIO(read_at(path.parent, *place))
    if path.parent.name == DATABASE:
        return BytesIO(read_entry(path.parent, path.name))
    return path
