"""Captions of images, from a table or from text files beside them."""

import csv
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from data.files.errors import DataError
from data.images.listing import Listing

__all__ = ["TABLES", "as_strings", "as_text", "read_captions", "sound"]

TABLES = ("metadata.csv", "metadata.jsonl")
COLUMNS = ("file_name", "text")  # those of Hugging Face's image folders
LONGEST = 4096  # bytes


def read_captions(listing: Listing, root: Path, tables: Sequence[str] = TABLES) -> list[str]:
    """Read the captions of all images of a listing; none if there are no captions.

    They are in a table, the first of `tables` that is in the folder of the listing or in `root`,
    with columns `file_name`, relative to the table, and `text`; other columns are ignored, and so
    is a table without these two. Else they are in a text file beside each image, `cat.txt` beside
    `cat.png`, whose lines are joined to one.

    Args:
        listing: of the images.
        root: of all splits.
        tables: names that tables may have; empty to look for no captions at all.

    Raises:
        DataError: a file is damaged, or an image has no caption, an empty or a too long one.
    """
    if not tables:
        return []
    places = [folder / name for folder in (listing.folder, root) for name in tables]
    table = next((place for place in places if place.is_file()), None)
    captions = [] if table is None else _of_table(listing, table)
    source = f"{table} should hold a text"
    if not captions:
        captions, source = _of_files(listing), f"{listing.folder} should hold a .txt"
    for name, caption in zip(listing.names, captions, strict=bool(captions)):
        if not sound(caption) or not caption:
            raise DataError(
                f"{source} of 1 to {LONGEST} bytes for each image, and {name} has "
                f"{repr(caption)[:100]}: give it one, or remove the captions of all"
            )
    return captions


def sound(caption: object) -> bool:
    """Whether this is a text that a batch can hold: of at most `LONGEST` bytes, none of them 0."""
    try:
        return isinstance(caption, str) and len(caption.encode()) <= LONGEST and "\0" not in caption
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can hold
        return False


def _of_table(listing: Listing, table: Path) -> list[str | None]:
    try:
        rows = list(_rows(table))
    except (ValueError, RecursionError, csv.Error) as error:
        raise DataError(f"{table} is not a sound table of captions ({error}): mend it") from error
    if not rows or any(column not in rows[0] for column in COLUMNS):
        return []
    known = {table.parent / str(row.get("file_name")): row.get("text") for row in rows}
    return [known.get(listing.folder / name) for name in listing.names]


def _of_files(listing: Listing) -> list[str | None]:
    names = [PurePosixPath(name).with_suffix(".txt") for name in listing.names]
    folders = {name.parent for name in names}
    there = {folder / one for folder in folders for one in os.listdir(listing.folder / folder)}
    if there.isdisjoint(names):
        return []
    return [_of_file(listing.folder / name) if name in there else None for name in names]


def _of_file(path: Path) -> str:
    try:
        return " ".join(path.read_text(encoding="utf-8-sig").split())
    except (ValueError, OSError) as error:
        raise DataError(f"{path} is not a text in UTF-8 ({error}): mend it") from error


def _rows(table: Path) -> Iterator[dict]:
    with table.open(encoding="utf-8-sig", newline="") as file:
        if table.suffix == ".csv":
            yield from csv.DictReader(file)
        else:
            for number, line in enumerate(file, start=1):
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError(f"line {number} is not an object")
                yield row


def as_text(captions: Sequence[str], width: int) -> Int64[Tensor, "n width"]:
    """Encode captions as UTF-8 bytes, padded with zeros: token ids that any text encoder can read.

    Example:
        >>> as_text(["hi", "é"], 3)
        tensor([[104, 105,   0],
                [195, 169,   0]])
    """
    padded = np.array([caption.encode() for caption in captions], f"S{width}")
    return torch.from_numpy(padded.view(np.uint8).reshape(-1, width).astype(np.int64))


def as_strings(text: Int64[Tensor, "n width"]) -> list[str]:
    """Decode what `as_text` encoded."""
    return [bytes(row).rstrip(b"\0").decode() for row in text.cpu().byte().numpy()]
