"""Locks on files, which end with the process that holds them, however it ends."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from data.files.errors import DataError
from data.files.full import needs_space

try:
    import fcntl
except ImportError:  # Windows: nothing is locked
    fcntl = None

__all__ = ["locked", "sole_use"]


@contextmanager
def locked(path: Path) -> Iterator[TextIO | None]:
    """Lock a file, created if it is missing, for the block; yields it, or None if it is locked.

    The lock is of this process alone: children do not inherit it, so a killed parent frees it. A
    process does not see its own locks, and loses one when it opens and closes the file again. On
    file systems without locks, nothing is locked.
    """
    with path.open("a+") as file:
        taken = False
        if fcntl is not None:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                taken = error.errno in (errno.EACCES, errno.EAGAIN)
        yield None if taken else file


@contextmanager
def sole_use(folder: Path) -> Iterator[None]:
    """Keep other processes from writing to a folder for the block, by the file `.lock` in it.

    Raises:
        DataError: another process has it, or it cannot be written to.
        StorageFull: its device is full.
    """
    path = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise DataError(
            f"cannot write to {folder} ({error.strerror}): make it writable, or choose another "
            f"folder with run=..."
        ) from error
    with locked(path) as file:
        if file is None:
            raise DataError(
                f"{folder} is being written by {path.read_text().strip() or 'another process'}: "
                f"wait for it, stop it, or choose another folder with run=..."
            )
        with needs_space(path):
            file.truncate(0)
            owner = f"process {os.getpid()} on {socket.gethostname()}\n"
            os.write(file.fileno(), owner.encode())  # a buffer would be written again at its end
        yield
