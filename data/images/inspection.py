"""A look at every image file before training, made once for a folder."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.progress import track

from data.files.cache import cached
from data.files.errors import DataError
from data.files.roots import cache_folder
from data.images.listing import Listing
from data.images.reading import brightest, convert, is_turned, open_image

__all__ = ["Findings", "inspect"]

log = logging.getLogger(__name__)


class Findings(NamedTuple):
    """The results of decoding all images of a folder once.

    Attributes:
        damaged: rows of the listing with damaged images, each with the reason.
        turned: number of images whose EXIF orientation tag asks to turn them.
        brightest: largest number in any 16-bit image; 0 if there is none.
    """

    damaged: dict[int, str]
    turned: int
    brightest: int


def inspect(listing: Listing) -> Findings:
    """Decode every file; the result is cached until the folder changes.

    Raises:
        DataError: the cache folder is not writable.
    """
    return cached(
        cache_folder() / "inspected" / f"{listing.digest()[:32]}.json",
        lambda part: part.write_text(json.dumps(_looks(listing))),
        _findings,
    )


def _looks(listing: Listing) -> Findings:
    log.info("verifying %d images under %s", len(listing.names), listing.folder)
    total = len(listing.names)
    with ThreadPoolExecutor() as threads:
        found = threads.map(partial(_look, listing), range(total))
        looks = track(found, "verifying", total=total, transient=True)
        faults, turned, levels = zip(*looks, strict=True)
    damaged = {row: fault for row, fault in enumerate(faults) if fault}
    return Findings(damaged, sum(turned), max(levels))


def _findings(cache: Path) -> Findings:
    damaged, turned, level = json.loads(cache.read_text())
    return Findings({int(row): fault for row, fault in damaged.items()}, turned, level)


def _look(listing: Listing, row: int) -> tuple[str | None, bool, int]:
    name = str(listing.folder / listing.names[row])
    try:
        image = open_image(listing.source(row), name)
        convert(image, name)
    except DataError as error:
        return str(error), False, 0
    return None, is_turned(image), brightest(image)
