"""Runs on full disks, with small folders of temporary files, and with damaged records."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from campaign.processes import Failed, command, end, expect, finish, start

__all__ = ["disks"]


def disks(folder: Path) -> Iterator[tuple[str, str]]:
    """Fill the disk of a run, and that of temporary files; yields trials and outcomes."""
    folder.mkdir()
    try:
        with _disk(folder / "temporary", "1m") as small:
            finish(command(folder / "run"), folder / "log", TMPDIR=str(small))
            yield "temporary files on a disk of 1 MB", "trains to its end"
    except (Failed, OSError, subprocess.CalledProcessError) as error:
        yield "temporary files on a disk of 1 MB", _why(error)
    for machine, options in {"one process": [], "two ranks": ["trainer=ddp_cpu"]}.items():
        trial = f"run folder of {machine} on a disk of 2 MB, then of 64 MB"
        try:
            with _disk(folder / machine, "2m") as small:
                log = folder / "log"
                code, words = end(start(command(small / "run", *options), log), log)
                expect(code == 2, f"exit code {code}: {words[-300:]}")
                expect("no space left to save" in words, words[-300:])
                expect("Traceback" not in words, words[-600:])
                left = [path for path in small.rglob(".*") if path.name != ".lock"]
                expect(not left, f"leftovers {left}")
                subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
                finish(command(small / "run", *options), log)
                yield trial, "refused in words, then trains to its end"
        except (Failed, OSError, subprocess.CalledProcessError) as error:
            yield trial, _why(error)


def _why(error: Exception) -> str:
    return f"FAILED: {error}" if isinstance(error, Failed) else f"not tried: {error}"


@contextmanager
def _disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    subprocess.run(["mount", *options], check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
