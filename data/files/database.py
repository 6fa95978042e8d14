"""Entries of an LMDB database, read in place by their keys."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from data.files.cache import cached, content_key
from data.files.errors import DataError
from data.files.roots import cache_folder, stamp

if TYPE_CHECKING:
    import lmdb

__all__ = ["DATABASE", "check_pages", "keys", "read_entry"]

DATABASE = "data.mdb"  # the file of a database, in a folder of its own
KEY = re.compile(rb"[\w.-]*\w[\w.-]*", re.ASCII)  # no `..`, and no part of a path
BROKEN = "fetch it again: databases are read in place"


def keys(file: Path) -> list[str]:
    """List the keys of a database in their order; no value is read.

    Raises:
        DataError: the package lmdb is missing; the file is cut short, damaged or no database, or
            a key is not of letters, digits, `_`, `-` and `.`.
    """
    with _transaction(file) as transaction:
        found = list(transaction.cursor().iternext(values=False))
    for key in found:
        if not KEY.fullmatch(key):
            raise DataError(
                f"{file} has the key {key[:40]!r}: keys of images are letters, digits, '_', '-' "
                f"and '.'; write it anew"
            )
    return [key.decode() for key in found]


def read_entry(file: Path, key: str) -> bytes:
    """Read the value of a key.

    Raises:
        DataError: there is no such key, since the file has changed, or as for `keys`.
    """
    with _transaction(file) as transaction:
        value = transaction.get(key.encode())
    if value is None:
        raise DataError(f"{file} has no {key} as it had when it was listed: start again")
    return value


def check_pages(file: Path) -> None:
    """Check every page that leads to values, once until the file changes.

    Reading a damaged database may end the process, or give the value of another key.

    Raises:
        DataError: a page is damaged, or as for `keys`.
    """
    _opened(file)
    from lmdb.verify import VerifyError, verify

    def found(part: Path) -> None:
        try:
            part.write_text(json.dumps(verify(str(file), subdir=False)[:1]))
        except VerifyError as error:
            part.write_text(json.dumps([str(error)]))

    path = cache_folder() / "databases" / f"{content_key(stamp(file))}.json"
    if faults := cached(path, found, lambda path: json.loads(path.read_text())):
        raise DataError(f"{file} is damaged ({faults[0]}): {BROKEN}")


@contextmanager
def _transaction(file: Path) -> "Iterator[lmdb.Transaction]":
    opened = _opened(file)
    import lmdb

    try:
        with opened.begin() as transaction:
            yield transaction
    except lmdb.Error as error:
        raise DataError(f"{file} is damaged ({error}): {BROKEN}") from error


@cache  # a process may open a file once; those that are forked from it read through the same
def _opened(file: Path) -> "lmdb.Environment":
    try:
        import lmdb
    except ImportError as error:
        raise DataError(
            f"{file} is read by the package lmdb, which is missing: pip install lmdb, or export "
            f"the images to files"
        ) from error
    try:
        found = lmdb.open(
            str(file), subdir=False, readonly=True, lock=False, create=False, readahead=False
        )
        needed = (found.info()["last_pgno"] + 1) * found.stat()["psize"]
    except lmdb.Error as error:
        raise DataError(f"{file} is no database, or damaged ({error}): {BROKEN}") from error
    if (size := file.stat().st_size) < needed:  # reading past the end would end the process
        found.close()
        raise DataError(f"{file} is cut short, {size} of {needed} bytes: {BROKEN}")
    return found
