"""Downloads, checked by SHA-256 and moved into place only when complete."""

import hashlib
import logging
import urllib.request
from pathlib import Path

from rich.progress import wrap_file

from data.files.errors import DataError
from data.files.roots import staging

__all__ = ["download"]

log = logging.getLogger(__name__)

CHUNK = 1 << 20


def download(path: Path, sha256: str, *urls: str) -> None:
    """Fetch a file from the first of `urls` that serves it, check it, and move it to `path`.

    Raises:
        DataError: no URL served a file with this SHA-256, or `path` is not writable.
    """
    if path.exists():
        return
    reasons = []
    for url in urls:
        try:
            with staging(path) as part:
                _fetch(url, part, sha256)
        except (OSError, _WrongFile) as error:
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
    digest = hashlib.sha256()
    log.info("downloading %s", url)
    with urllib.request.urlopen(url, timeout=60) as answer, part.open("wb") as out:
        total = int(answer.headers.get("Content-Length", 0))
        with wrap_file(answer, total, description=part.name, transient=True) as body:
            while chunk := body.read(CHUNK):
                digest.update(chunk)
                out.write(chunk)
    if digest.hexdigest() != sha256:
        raise _WrongFile(f"SHA-256 {digest.hexdigest()}, expected {sha256}")
