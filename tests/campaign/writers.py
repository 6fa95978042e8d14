"""Two processes in one run folder, and owners that are killed."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from campaign.processes import attempt, command, end, expect, finish, start, wait_for

__all__ = ["writers"]


def writers(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield trials and outcomes."""
    folder.mkdir()
    trials: dict[str, Callable[[Path], str]] = {
        "a second process in a run folder": _second,
        "a process after the first was killed": _after_kill,
        "10 kills while checkpoints are written": _kills,
    }
    for name, trial in trials.items():
        yield name, attempt(trial, folder)


def _begun(folder: Path, run: Path, *more: str):
    """Start a run and wait for its first record."""
    process = start(command(run, *more), folder / "first")
    expect(wait_for(process, (run / "tokenizer/metrics.csv").exists), "does not begin")
    return process


def _second(folder: Path) -> str:
    run = folder / "run"
    first = _begun(folder, run)
    code, words = end(start(command(run), folder / "second"), folder / "second")
    expect(code == 2 and f"is being written by process {first.pid}" in words, words[-300:])
    code, words = end(first, folder / "first")
    expect(code == 0, words[-300:])
    return "refused by name; the first ends well"


def _after_kill(folder: Path) -> str:
    run = folder / "killed"
    first = _begun(folder, run, "data.workers=2")
    os.kill(first.pid, signal.SIGKILL)  # its loaders live on for a while
    first.wait()
    finish(command(run, "data.workers=2"), folder / "second")
    return "goes on at once"


def _kills(folder: Path) -> str:
    run, log = folder / "kills", folder / "log"
    more = ["stage=tokenizer", "trainer.checkpoints=1000"]
    for number in range(10):
        process = start(command(run, *more), log)
        wait_for(process, (run / "tokenizer/checkpoints/last.ckpt").exists)
        time.sleep(0.02 * number)
        process.kill()
        process.wait()
        expect(process.returncode in (0, -signal.SIGKILL), log.read_text()[-300:])
    finish(command(run, *more), log)
    left = [path for path in run.rglob(".*") if path.name != ".lock"]
    expect(not left, f"leftovers {left}")
    return "trains to its end, nothing left over"
