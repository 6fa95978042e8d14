"""The samples of tar shards in the layout of WebDataset, listed once and cached.

Source: the format's description, of the package webdataset: members `<key>.<end>` of one sample
share the key, which is everything before the first dot of the file's name, and follow each other.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from data.files.cache import cached, content_key
from data.files.errors import DataError
from data.files.roots import cache_folder, stamp
from data.files.tar_index import Member, members, read_at
from data.images.captions import LONGEST, sound
from data.images.listing import HIDDEN, Listing
from data.images.reading import EXTENSIONS

__all__ = ["list_shards"]

LABEL, TEXT = "cls", "txt"
VERSION = "1"  # of the cached lists


def list_shards(folder: Path, shards: Sequence[str]) -> Listing:
    """List the images of shards, their classes and captions, in the order of the shards.

    Other members of a sample, such as `.json`, are left alone. What is found in a shard is cached
    until its file changes.

    Args:
        folder: that the shards are in.
        shards: their names.

    Returns:
        Images as `<shard>/<key>.<end>`, with their places; classes are decimal numbers.

    Raises:
        DataError: a shard is damaged, a key occurs twice, or a sample lacks an image, or a label or
            caption that others have; the message names the shard and the key.
    """
    rows: list[dict] = []
    for shard in shards:
        name = f"{shard.split('/')[-1]}-{content_key(stamp(folder / shard), VERSION)}.json"
        found = cached(
            cache_folder() / "shards" / name,
            lambda part, path=folder / shard: part.write_text(json.dumps(list(_samples(path)))),
            lambda path: json.loads(path.read_text()),
        )
        rows += [{**row, "shard": shard} for row in found]
    if not rows:
        raise DataError(f"{folder} holds no sample in {', '.join(shards)}: choose other shards")
    _check(folder, rows)
    return Listing(
        folder,
        [f"{row['shard']}/{row['name']}" for row in rows],
        [str(row["label"]) for row in rows if row["label"] is not None],
        [row["text"] for row in rows if row["text"] is not None],
        [(row["offset"], row["size"]) for row in rows],
    )


def _samples(shard: Path) -> Iterator[dict]:
    """Read a shard's samples: name and place of the image, label, caption."""
    visible = (one for one in members(shard) if not _base(one).startswith(HIDDEN))
    seen: set[str] = set()
    for key, group in groupby(visible, key=_key):
        parts: dict[str, Member] = {}
        for member in group:
            end = _base(member).partition(".")[2].lower()
            if end in parts:
                raise DataError(f"{shard} holds {member.name} twice: write it anew")
            parts[end] = member
        if key in seen:
            raise DataError(
                f"{shard} holds the key {key!r} twice, with others between: write it anew, with "
                f"the members of each sample together"
            )
        seen.add(key)
        images = [end for end in parts if f".{end}".endswith(EXTENSIONS)]
        if len(images) != 1:
            raise DataError(
                f"{shard}: sample {key!r} should hold one image ({' '.join(EXTENSIONS)}), and "
                f"holds {' '.join(f'.{end}' for end in parts)}: write the shard anew"
            )
        image = parts[images[0]]
        label, text = (_text(shard, parts.get(end)) for end in (LABEL, TEXT))
        if label is not None and not label.isdecimal():
            raise DataError(
                f"{shard}: the label of {key!r} should be 0, 1, ..., got {label[:40]!r}"
            )
        if text is not None and not sound(text):
            raise DataError(
                f"{shard}: the text of {key!r} should have at most {LONGEST} bytes, got "
                f"{text[:40]!r}: shorten it"
            )
        yield {
            "name": image.name,
            "offset": image.offset,
            "size": image.size,
            "label": None if label is None else int(label),
            "text": text,
        }


def _base(member: Member) -> str:
    return member.name.rsplit("/", 1)[-1]


def _key(member: Member) -> str:
    return member.name[: len(member.name) - len(_base(member))] + _base(member).split(".")[0]


def _text(shard: Path, member: Member | None) -> str | None:
    if member is None:
        return None
    try:
        return " ".join(read_at(shard, member.offset, member.size).decode("utf-8-sig").split())
    except UnicodeDecodeError as error:
        raise DataError(f"{shard}: {member.name} is no text in UTF-8 ({error}): mend it") from error


def _check(folder: Path, rows: list[dict]) -> None:
    """Refuse keys of two shards that are the same, and labels or captions of some samples alone."""
    where: dict[str, str] = {}
    for row in rows:
        key = _key(Member(row["name"], 0, 0))
        if (other := where.setdefault(key, row["shard"])) != row["shard"]:
            raise DataError(
                f"the key {key!r} is in two shards of {folder}, {other} and {row['shard']}: keys "
                f"are unique in a split; is one a copy of the other?"
            )
    for kind, end in (("label", LABEL), ("text", TEXT)):
        having = [row for row in rows if row[kind] is not None]
        if having and len(having) < len(rows):
            row = next(row for row in rows if row[kind] is None)
            raise DataError(
                f"{folder / row['shard']}: sample {_key(Member(row['name'], 0, 0))!r} has no "
                f".{end}, and {len(having)} of {len(rows)} samples have one: add it, or remove "
                f"those of all"
            )
