"""Members of a tar archive by their places in it, so that one is read without unpacking any."""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from data.files.archives import check_end
from data.files.errors import DataError

__all__ = ["Member", "members", "read_at"]


class Member(NamedTuple):
    """A file in an archive.

    Attributes:
        name: path in the archive.
        offset: of the content from the beginning of the archive, bytes.
        size: of the content, bytes.
    """

    name: str
    offset: int
    size: int


def members(archive: Path) -> Iterator[Member]:
    """List the files of an uncompressed tar archive in their order; no content is read.

    Raises:
        DataError: the archive is cut short, damaged or compressed, or holds a link, a sparse or a
            special file.
    """
    length = archive.stat().st_size
    try:
        check_end(archive)
        with tarfile.open(archive, "r:") as tar:
            for one in tar:
                if one.isdir():
                    continue
                if not one.isfile() or one.issparse():
                    raise DataError(
                        f"{archive} holds {one.name!r}, which is no plain file: write it anew"
                    )
                if one.offset_data + one.size > length:
                    raise tarfile.ReadError(f"{one.name!r} is cut short")
                yield Member(one.name, one.offset_data, one.size)
                tar.members = []  # else it keeps all headers of a million files
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(
            f"{archive} is truncated, damaged or compressed ({error}): fetch it again; shards are "
            f"read in place, so compressed ones must be decompressed"
        ) from error


def read_at(archive: Path, offset: int, size: int) -> bytes:
    """Read the content of a member.

    Raises:
        DataError: the archive ends before it, since it has changed.
    """
    with archive.open("rb") as file:
        file.seek(offset)
        content = file.read(size)
    if len(content) != size:
        raise DataError(f"{archive} is shorter than it was when it was listed: fetch it again")
    return content
