"""Runs on disks that are full at every place of a run, and on small ones of temporary files."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from campaign.processes import (
    MACHINES,
    attempt,
    command,
    compare,
    expect,
    finish,
    refusal,
    whole,
)

__all__ = ["disks"]

STATES = {
    "before anything": "nothing",
    "before the prior": "tokenizer",
    "before the evaluation": "run",
}
FREE = (0, 4, 16, 64, 300, 450, 800, 1500, 4000, 13_000, 20_000, 40_000)  # kB


def disks(folder: Path) -> Iterator[tuple[str, str]]:
    """Fill the disk of temporary files, and that of a run; yields trials and outcomes."""
    folder.mkdir()
    yield "temporary files on a disk of 1 MB", attempt(_temporary, folder)
    for machine, states in {"one process": STATES, "two ranks": list(STATES)[:2]}.items():
        for state in states:
            trial = f"disk of {machine} full {state}, then a little less so"
            yield trial, attempt(_fill, folder / machine / STATES[state], machine)
    yield "disk full of samples", attempt(_samples, folder / "samples")


def _temporary(folder: Path) -> str:
    with _disk(folder / "temporary", 1 << 10) as small:
        finish(command(folder / "run"), folder / "log", TMPDIR=str(small))
    return "trains to its end"


def _fill(folder: Path, machine: str) -> str:
    """Start a run with more and more space, until it is enough; every refusal names its file."""
    folder.mkdir(parents=True)
    expected, log = whole(folder.parents[1].with_name("whole"), machine), folder / "log"
    with _disk(folder / "disk", 1 << 17) as disk:
        run = disk / "run"
        if folder.name != "nothing":
            shutil.copytree(expected, run)
        if folder.name == "tokenizer":
            shutil.rmtree(run / "prior")
            (run / "metrics.json").unlink()
        return _ladder(disk, command(run, *MACHINES[machine]), log, lambda: compare(run, expected))


def _samples(folder: Path) -> str:
    folder.mkdir()
    run, log = whole(folder.parent.with_name("whole"), "one process"), folder / "log"
    with _disk(folder / "disk", 1 << 17) as disk:
        output = disk / "samples"
        arguments = [sys.executable, "sample.py", f"run={run}", "n=20", f"output={output}"]
        return _ladder(disk, arguments, log, lambda: f"{len(list(output.glob('*.png')))} pictures")


def _ladder(disk: Path, arguments: Sequence[str], log: Path, judge) -> str:
    refused = {}
    for free in FREE:
        _resize(disk, free)
        message = refusal(arguments, log)
        if message is None:
            found = ", ".join(refused)
            return f"no space for {found or 'nothing'}; with {free} kB more, {judge()}"
        expect("no space left to save" in message and str(disk) in message, message)
        refused[message.partition("save ")[2].split(":")[0].split(";")[0].rpartition("/")[2]] = free
        left = [path for path in disk.rglob(".*") if path.name not in (".lock", ".latents")]
        expect(not left, f"leftovers {left}")
    return expect(False, f"still no space for {list(refused)[-1]}")


def _resize(disk: Path, free: int) -> None:
    """Leave so many kB of space; a page of 4 kB is the least that can be counted."""
    used = shutil.disk_usage(disk).used >> 10
    subprocess.run(["mount", "-o", f"remount,size={used + max(free, 4)}k", str(disk)], check=True)
    if not free:
        with (disk / "filler").open("wb") as file:
            file.write(bytes(4096))
    else:
        (disk / "filler").unlink(missing_ok=True)


@contextmanager
def _disk(folder: Path, size: int) -> Iterator[Path]:
    """Mount a tmpfs of so many kB, which only root can."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(folder)]
    subprocess.run(["mount", *options], check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
