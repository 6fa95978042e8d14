"""Captions of images, from a table beside them."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from data.files.errors import DataError
from data.images.listing import Listing

__all__ = ["TABLES", "as_strings", "as_text", "read_captions"]

TABLES = ("metadata.csv", "metadata.jsonl")
COLUMNS = ("file_name", "text")  # those of Hugging Face's image folders
LONGEST = 4096  # bytes


def read_captions(listing: Listing, root: Path, tables: Sequence[str] = TABLES) -> list[str]:
    """Read the captions of all images of a listing; none if there is no table of captions.

    The table is the first of `tables` that is in the folder of the listing or in `root`, with
    columns `file_name`, relative to the table, and `text`. Other columns are ignored, and so is a
    table without these two.

    Raises:
        DataError: the table is damaged, or an image has no caption, an empty or a too long one.
    """
    places = [folder / name for folder in (listing.folder, root) for name in tables]
    table = next((place for place in places if place.is_file()), None)
    if table is None:
        return []
    try:
        rows = list(_rows(table))
    except (ValueError, RecursionError, csv.Error) as error:
        raise DataError(f"{table} is not a sound table of captions ({error}): mend it") from error
    if not rows or any(column not in rows[0] for column in COLUMNS):
        return []
    known = {table.parent / str(row.get("file_name")): row.get("text") for row in rows}
    captions = [known.get(listing.folder / name) for name in listing.names]
    for name, caption in zip(listing.names, captions, strict=True):
        sound = isinstance(caption, str) and 1 <= len(caption.encode()) <= LONGEST
        if not sound or "\0" in caption:
            raise DataError(
                f"{table} should hold a text of 1 to {LONGEST} bytes for each image, and {name} "
                f"has {repr(caption)[:100]}: give it one, or remove the table"
            )
    return captions


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
