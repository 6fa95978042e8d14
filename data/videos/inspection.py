"""A look at every video before training, made once for a folder."""

import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64
from rich.progress import track

from data.files.cache import cached, content_key
from data.files.errors import DataError
from data.files.roots import cache_folder
from data.images.listing import Listing
from data.videos.film import Film, film_of

__all__ = ["Films", "inspect"]

log = logging.getLogger(__name__)

NONE = Film(np.zeros(0, np.int64), np.zeros(0, bool), 0.0, False)


class Films(NamedTuple):
    """Facts about the videos of a listing, one after the other in few arrays.

    Attributes:
        times, keys: of all videos, joined; see `Film`.
        ends: where those of each video end.
        ticks, counted: of each video.
        faults: why rows of the listing cannot be read, as JSON; those rows have no frames.
    """

    times: Int64[np.ndarray, " all"]
    keys: Bool[np.ndarray, " all"]
    ends: Int64[np.ndarray, " n"]
    ticks: Float64[np.ndarray, " n"]
    counted: Bool[np.ndarray, " n"]
    faults: np.ndarray

    @property
    def damaged(self) -> dict[int, str]:
        """Rows that cannot be read, each with the reason."""
        return {int(row): fault for row, fault in json.loads(str(self.faults)).items()}

    @classmethod
    def of(cls, films: Sequence[Film], faults: dict[int, str] | None = None) -> "Films":
        """Join facts about single videos."""
        lengths = np.array([len(film.times) for film in films], np.int64)
        return cls(
            np.concatenate([film.times for film in films]),
            np.concatenate([film.keys for film in films]),
            lengths.cumsum(),
            np.array([film.ticks for film in films], np.float64),
            np.array([film.counted for film in films], bool),
            np.array(json.dumps(faults or {})),
        )

    def __getitem__(self, row: int) -> Film:  # ty: ignore[invalid-method-override]
        inside = slice(self.ends[row - 1] if row else 0, self.ends[row])
        return Film(
            self.times[inside], self.keys[inside], float(self.ticks[row]), bool(self.counted[row])
        )


def inspect(listing: Listing, channels: int, decode: bool) -> Films:
    """Find the frames of every video; the result is cached until the folder changes.

    Args:
        listing: of the videos.
        channels: 3 finds fault with grey videos.
        decode: decode all frames, which finds all damage.

    Raises:
        DataError: the cache folder is not writable.
    """
    key = content_key(listing.digest(), str(channels), str(decode))
    return cached(
        cache_folder() / "videos" / f"{key}.npz",
        lambda part: np.savez(part, *_looks(listing, channels, decode)),
        _read,
    )


def _read(path: Path) -> Films:
    with np.load(path) as arrays:
        return Films(*(arrays[name] for name in arrays.files))


def _looks(listing: Listing, channels: int, decode: bool) -> Films:
    total = len(listing.names)
    log.info("looking at %d videos under %s", total, listing.folder)
    with ThreadPoolExecutor() as threads:
        found = threads.map(partial(_look, listing, channels, decode), range(total))
        looks = list(track(found, "looking at videos", total=total, transient=True))
    faults = {row: look for row, look in enumerate(looks) if isinstance(look, str)}
    return Films.of([NONE if isinstance(look, str) else look for look in looks], faults)


def _look(listing: Listing, channels: int, decode: bool, row: int) -> Film | str:
    try:
        return film_of(listing.folder / listing.names[row], channels, decode)
    except DataError as error:
        return str(error)
