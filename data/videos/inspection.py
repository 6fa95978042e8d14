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
from data.images.reading import SKIP
from data.videos.film import Film, film_of
from data.videos.sampling import Sampling

__all__ = ["Films", "examined", "inspect"]

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


def examined(
    listing: Listing,
    channels: int,
    decode: bool,
    sampling: Sampling,
    rate: float,
    resampled: float | None,
) -> tuple[list[Film], dict[int, str]]:
    """Find the frames of every video, and which videos no clip can be cut from.

    Args:
        listing: of the videos.
        channels, decode: as for `inspect`.
        sampling: of the clips.
        rate: frames a second of the clips, in messages.
        resampled: frames a second that videos are brought to; None for frames as they are.

    Returns:
        Facts about all videos, and faults, by rows of the listing.
    """
    films = inspect(listing, channels, decode)
    faults = films.damaged
    for row, name in enumerate(listing.names):
        if row not in faults and (fault := _unfit(films[row], sampling, rate, resampled)):
            faults[row] = f"{listing.folder / name} {fault}{SKIP}"
    return [films[row] for row in range(len(listing.names))], faults


def _unfit(film: Film, sampling: Sampling, rate: float, resampled: float | None) -> str | None:
    """Explain why a sound video cannot be used, and what to do; None if it can be."""
    if resampled is not None and not film.ticks:
        return "is a folder of frames, which have no times to resample by: set resample=false"
    if resampled is None and not film.steady:
        return f"has a variable frame rate: set resample=true to read its frames at fps={rate:g}"
    frames = film.count(resampled)
    if sampling.short == "refuse" and frames < sampling.span:
        return (
            f"has {frames} frames, and a clip spans {sampling.span}: ask for fewer, set "
            "short=drop or short=repeat"
        )
    return None


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
