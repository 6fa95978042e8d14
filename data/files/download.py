"""Downloads, checked by SHA-256 before they appear under their names."""

import hashlib
import logging
import urllib.request
from http.client import HTTPException
from pathlib import Path

from rich.progress import wrap_file

from data.files.errors import DataError
from data.files.full import StorageFull
from data.files.whole import staging

__all__ = ["digest", "download"]

log = logging.getLogger(__name__)

CHUNK = 1 << 20
TRIES = 5  # connections for one file, each of which goes on where the one before it broke off


def digest(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(path: Path, sha256: str, *urls: str) -> None:
    """Download a file from the first of `urls` that has it, check it, and move it to `path`.

    Where a connection breaks off, another one fetches the rest.

    Args:
        path: where the file shall be; if something is there, nothing is downloaded.
        sha256: expected checksum, in hexadecimal.
        urls: addresses of the same file.

    Raises:
        DataError: no address answered with the file of this SHA-256, or `path` is not writable.
        StorageFull: the device is full.
    """
    if path.exists():
        return
    reasons = []
    for url in urls:
        try:
            with staging(path) as part:
                _fetch(url, part, sha256)
        except StorageFull:
            raise
        except (OSError, HTTPException, _WrongFile) as error:
            reasons.append(f"{url}: {error}")
        else:
            return
    raise DataError(
        f"could not download {path.name} ({'; '.join(reasons)}): "
        f"check the network, or put the file at {path} yourself"
    )


class _WrongFile(Exception):
    pass


def _fetch(url: str, part: Path, sha256: str) -> None:
    log.info("downloading %s", url)
    for left in reversed(range(TRIES)):
        try:
            if _fetch_rest(url, part):
                break
        except (ConnectionError, TimeoutError, HTTPException):
            if not left:
                raise
    if (found := digest(part)) != sha256:
        raise _WrongFile(f"SHA-256 {found} of {part.stat().st_size} bytes, expected {sha256}")


def _fetch_rest(url: str, part: Path) -> bool:
    """Fetch what is missing of a file, or all of it where the server has no ranges.

    Returns:
        False if the answer was shorter than announced.
    """
    done = part.stat().st_size if part.exists() else 0
    asked = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        total = int(answer.headers.get("Content-Length", 0))
        with (
            part.open("ab" if answer.status == 206 else "wb") as out,
            wrap_file(answer, total, description=part.name, transient=True) as body,
        ):
            before = out.tell()
            while chunk := body.read(CHUNK):
                out.write(chunk)
            return not total or out.tell() - before == total
