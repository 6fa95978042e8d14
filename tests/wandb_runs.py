"""Reader of the offline runs of Weights & Biases in a folder."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import wandb
from wandb.proto.wandb_internal_pb2 import Record


def log_records(data: bytes) -> Iterator[bytes]:
    """Records of a file in LevelDB's log format: blocks of 32 KiB, after seven bytes of magic."""
    place, whole = 7, b""
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:  # the rest of a block too short for a header
            place += 32768 - place % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or its last part
            yield whole
            whole = b""


def history(folder: Path) -> list[dict]:
    """Read all that offline runs in a folder logged, in order, without the service's own entries.

    Ends the service's process first: it may still write a run's file after the run was finished.
    """
    wandb.teardown()
    found = []
    for path in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        for record in map(Record.FromString, log_records(path.read_bytes())):
            items = record.history.item
            row = {item.key or item.nested_key[0]: item.value_json for item in items}
            if row:
                kept = {key: json.loads(value) for key, value in row.items() if key[0] != "_"}
                found.append(kept)
    return found
