"""The three sources of QM9: one npz file, its author's package `qm9pack`, the official archive."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np

from data.files.cache import cached, content_key
from data.files.errors import DataError
from data.files.roots import cache_folder, find, stamp
from data.files.sources import Source
from data.molecules.qm9_archive import read_archive
from data.molecules.qm9_package import read_package
from data.molecules.qm9_table import Table, checked, load, store

__all__ = ["fetch", "read"]

VERSION = "1"  # of the cached arrays: change it with what is read

FIGSHARE = "https://ndownloader.figshare.com/files/"

# SHA-256 as TensorFlow Datasets lists them for the same addresses.
OFFICIAL = (
    Source(
        "qm9/dsgdb9nsd.xyz.tar.bz2",
        "3a63848ac80691bdb8d41834b575afad345b9300d7a2db0c38adb7f6eaa8360c",
        f"{FIGSHARE}3195389",
    ),
    Source(
        "qm9/uncharacterized.txt",
        "3aa5115d540b356de94791d4a74c3bf1ed91c469ecf52a4f5d7cc0506fe02e24",
        f"{FIGSHARE}3195404",
    ),
    Source(
        "qm9/atomref.txt",
        "af739d4a0fbe894a56f346ad6045ee1b74c58f8a8c9ef3fbfed920c9ad8b00f9",
        f"{FIGSHARE}3195395",
    ),
)

ARRAYS = ("molecules/qm9.npz", "qm9/qm9.npz", "qm9.npz")


def fetch(root: str | None) -> None:
    """Download the official files that are missing, where no other source is at hand.

    Raises:
        DataError: the download failed.
    """
    if find(root, *ARRAYS) is None and (root is not None or _package() is None):
        for source in OFFICIAL:
            source.fetch(root)


def read(root: str | None) -> Table:
    """Read QM9 from the first source at hand, and cache it: all give the same arrays.

    Args:
        root: of the files; with one, the package is not looked at.

    Raises:
        DataError: no source is at hand, or it is damaged.
    """
    files, make = _source(root)
    key = content_key(VERSION, *(stamp(file) for file in files))

    def write(path: Path) -> None:
        store(path, checked(make(), files[0]))

    return cached(cache_folder() / "qm9" / f"{key}.npz", write, load)


def _source(root: str | None) -> tuple[list[Path], Callable[[], Table]]:
    """Files of the first source at hand, and how they are read."""
    arrays = find(root, *ARRAYS)
    if arrays is not None:
        return [arrays], lambda: read_arrays(arrays)
    package = _package()
    if root is None and package is not None and find(root, OFFICIAL[0].path) is None:
        tables = [package / f"qm9_part{part}.csv" for part in (1, 2, 3)]
        return tables, lambda: read_package(tables)
    files = [source.locate(root) for source in OFFICIAL]
    return files, lambda: read_archive(*files)


def _package() -> Path | None:
    """Folder of the tables of the package `qm9pack`, which is not imported; None without it."""
    found = importlib.util.find_spec("qm9pack")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "data"


def read_arrays(path: Path) -> Table:
    """Read an npz file with `z`, `pos`, `n_atoms`, `index` and `properties`.

    Raises:
        DataError: it is damaged or lacks one of them.
    """
    names = ("z", "pos", "n_atoms", "index", "properties")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            z, pos, sizes, index, properties = (arrays[name] for name in names)
            return Table(
                z.astype(np.uint8),
                pos.astype(np.float32),
                sizes.astype(np.int64),
                index.astype(np.int64),
                properties.astype(np.float64),
            )
    except Exception as error:  # of numpy and zip: each raises its own kinds
        raise DataError(
            f"{path} should hold the arrays {', '.join(names)}, and is damaged ({error}): "
            "fetch it again"
        ) from error
