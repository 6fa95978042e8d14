"""Files of a run that are cut between two runs: healed or refused, never silently wrong."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from campaign.processes import (
    Failed,
    attempt,
    command,
    compare,
    end,
    expect,
    finish,
    refusal,
    start,
    wait_for,
    whole,
)

from ldm.training.records import sound_rows

__all__ = ["records"]

CUTS: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda old: b"",
    "cut in its first line": lambda old: old[: max(2, old.find(b"\n") // 2)],
    "cut in half": lambda old: old[: len(old) // 2],
    "cut after a line": lambda old: old[: old.rfind(b"\n", 0, len(old) - 1) + 1],
    "without its last byte": lambda old: old[:-1],
    "with zeros at its end": lambda old: old[:-20] + bytes(20),
}
HEALED = {
    "metrics.csv": "*/metrics.csv",
    "effort.json": "*/effort.json",
    "latents": "../.latents/*/*.npy",
    "checksums of latents": "../.latents/*/*.json",
}
REFUSED = ("environment.json", "config.yaml", "checkpoints/last.ckpt")


def records(folder: Path) -> Iterator[tuple[str, str]]:
    """Spoil each file of a run that is stopped in its prior; yields trials and outcomes."""
    folder.mkdir()
    run = folder / "stopped" / "run"
    try:
        _stop_in_prior(run, folder / "log")
    except Failed as failure:
        yield "a run that is stopped in its prior", f"FAILED: {failure}"
        return
    for how, cut in CUTS.items():
        trial = f"{', '.join(HEALED)}: all {how}"
        yield trial, attempt(_heal, run, folder / "copy", cut, HEALED.values())
    changed = [HEALED["latents"]]
    yield "latents with a bit changed", attempt(_heal, run, folder / "copy", _change, changed)
    for name in REFUSED:
        for how in ("emptied", "cut after a line"):
            trial = f"{name} {how}"
            yield trial, attempt(_refuse, run, folder / "copy", f"prior/{name}", CUTS[how])
    for name in ("metrics.json", "evaluations/twice/metrics.json"):
        yield f"{name} cut in half", attempt(_score, folder, name)


def _change(old: bytes) -> bytes:
    return old[:-30] + bytes([old[-30] ^ 8]) + old[-29:]


def _stop_in_prior(run: Path, log: Path) -> None:
    run.parent.mkdir()
    process = start(command(run), log)
    rows = run / "prior/metrics.csv"
    expect(wait_for(process, lambda: rows.exists() and rows.read_bytes().count(b"\n") > 5), "ends")
    os.killpg(process.pid, signal.SIGTERM)
    code, words = end(process, log)
    expect(code == 128 + signal.SIGTERM, words[-300:])


def _spoil(run: Path, copy: Path, cut: Callable[[bytes], bytes], patterns) -> list[Path]:
    """Copy a run, and the latents beside it, and spoil files in it; returns them."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(run.parent, copy)
    paths = [path for pattern in patterns for path in (copy / "run").glob(pattern)]
    expect(bool(paths), "nothing to spoil")
    for path in paths:
        path.write_bytes(cut(path.read_bytes()))
    return paths


def _heal(run: Path, copy: Path, cut: Callable[[bytes], bytes], patterns) -> str:
    spoilt = _spoil(run, copy, cut, patterns)
    finish(command(copy / "run"), copy / "log")
    expected = whole(run.parents[1].with_name("whole"), "one process")
    # Rows that are lost cannot come back; those that can be read are right, and in order.
    for stage in ("tokenizer", "prior"):
        rows, true = (sound_rows(one / stage / "metrics.csv") for one in (copy / "run", expected))
        expect(rows == [row for row in true if row in rows], f"wrong rows in {stage}/metrics.csv")
        shutil.copy(expected / stage / "metrics.csv", copy / "run" / stage)
    return f"{len(spoilt)} files, {compare(copy / 'run', expected)}"


def _refuse(run: Path, copy: Path, name: str, cut: Callable[[bytes], bytes]) -> str:
    (path,) = _spoil(run, copy, cut, [name])
    message = refusal(command(copy / "run"), copy / "log")
    if message is None:
        expected = whole(run.parents[1].with_name("whole"), "one process")
        return f"goes on, {compare(copy / 'run', expected)}"
    expect(str(path) in message, message)
    return "refused by name"


def _score(folder: Path, name: str) -> str:
    run, log = folder / "scored" / "run", folder / "log"
    evaluate = [sys.executable, "-m", "eval", f"run={run}"]
    if not run.is_dir():
        shutil.copytree(whole(folder.with_name("whole"), "one process"), run)
        finish([*evaluate, "name=twice"], log)
    path = run / name
    before = json.loads(path.read_text())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    message = refusal([sys.executable, "-m", "ldm.report", f"run={run}"], log) or ""
    expect(f"{path} is damaged" in message, message)
    finish([*evaluate, *(["name=twice"] if "twice" in name else [])], log)
    expect(before == json.loads(path.read_text()), "other scores")
    return "the report refuses it by name; evaluated again, the same scores"
