"""Published weights: found in a file or cache, or downloaded, and checked before loading."""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["PUBLISHED", "Published", "cache_folder", "fetch", "load"]


class Published(NamedTuple):
    """A published file of weights.

    Attributes:
        url: public URL.
        sha256: of its bytes, in hexadecimal.
        names: its file names in caches, the first for a new download.
    """

    url: str
    sha256: str
    names: tuple[str, ...]


PUBLISHED = {
    # Apache-2.0. The graph of TensorFlow's Inception of 2015-12-05, ported to PyTorch.
    "inception": Published(
        url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
        "pt_inception-2015-12-05-6726825d.pth",
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        names=(
            "pt_inception-2015-12-05-6726825d.pth",
            "weights-inception-2015-12-05-6726825d.pth",
        ),
    ),
}


def cache_folder() -> Path:
    """Folder of downloads and trained extractors: `LDM_CACHE`, or `~/.cache/ldm`."""
    return Path(os.environ.get("LDM_CACHE", Path.home() / ".cache" / "ldm")).expanduser()


def fetch(name: str, file: str | os.PathLike[str] | None = None) -> Path:
    """Path of published weights: the given file, or a cached one, or a new download.

    Searches `cache_folder()`, then torch.hub's checkpoints; downloads to the former. A download is
    checked by its SHA-256 and moved into place when complete; a cached file is checked before use.
    A given file is not checked.

    Raises:
        FileNotFoundError: there is no such file, or none is cached and the download failed.
        ValueError: a file does not have the published SHA-256.
    """
    if file is not None:
        if not Path(file).is_file():
            raise FileNotFoundError(f"no weights of {name!r} at {file}")
        return Path(file)
    published = PUBLISHED[name]
    folders = cache_folder(), Path(torch.hub.get_dir()) / "checkpoints"
    for path in (folder / each for folder in folders for each in published.names):
        if path.is_file():
            _check(path, published.sha256)
            return path
    return _download(name, published, folders[0] / published.names[0])


def _download(name: str, published: Published, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Writes beside the path, compares the digest, and only then moves the file into place.
        torch.hub.download_url_to_file(published.url, str(path), hash_prefix=published.sha256)
    except RuntimeError as error:  # the digest differs
        raise ValueError(f"{published.url} does not hold the published weights: {error}") from error
    except OSError as error:
        raise FileNotFoundError(
            f"the weights of {name!r} are not here and could not be fetched ({error}): "
            f"download {published.url} elsewhere and put it at {path}"
        ) from error
    return path


def _check(path: Path, sha256: str) -> None:
    if (found := digest(path)) != sha256:
        raise ValueError(
            f"{path} is damaged: its SHA-256 begins with {found[:8]}, not {sha256[:8]}; "
            "delete it, and it is fetched again"
        )


def digest(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(path: Path) -> dict[str, Tensor]:
    """Load the tensors of a file of weights to the CPU, without unpickling other objects.

    Raises:
        ValueError: the file is truncated, or not a file of tensors.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch each raise their own exceptions
        raise ValueError(f"{path} is not a whole file of weights: {error}") from error
