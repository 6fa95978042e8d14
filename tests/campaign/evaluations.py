"""Evaluations that are interrupted, and then run again: the same scores as undisturbed ones."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from campaign.processes import attempt, end, expect, finish, start, whole

__all__ = ["evaluations"]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
SHARES = (0.4, 0.6, 0.8, 0.95)


def evaluations(folder: Path) -> Iterator[tuple[str, str]]:
    """Interrupt an evaluation at several times by each signal; yields trials and outcomes."""
    folder.mkdir()
    run = whole(folder.with_name("whole"), "one process")
    began = time.monotonic()
    # With its classifier, which is trained once and kept in a cache.
    finish(_evaluate(run, "undisturbed"), folder / "log", LDM_CACHE=str(folder / "cache"))
    seconds = time.monotonic() - began
    for number in SIGNALS:
        name = signal.Signals(number).name
        yield (
            f"{name} to an evaluation at {len(SHARES)} times",
            attempt(_interrupt, folder, run, number, seconds),
        )


def _evaluate(run: Path, name: str) -> list[str]:
    more = ["eval=classifier", "eval.samples=200", f"name={name}"]
    return [sys.executable, "-m", "eval", f"run={run}", *more]


def _interrupt(folder: Path, run: Path, number: int, seconds: float) -> str:
    name, log = signal.Signals(number).name, folder / "log"
    cache, codes = str(folder / f"cache-{name}"), []
    for share in SHARES:
        process = start(_evaluate(run, name), log, LDM_CACHE=cache)
        time.sleep(share * seconds)
        if process.poll() is None:
            os.killpg(process.pid, number)
        code, words = end(process, log)
        expect(code in (0, 128 + number, -number), f"exit code {code}: {words[-300:]}")
        expect("Traceback" not in words, words[-600:])
        codes.append(str(code))
    finish(_evaluate(run, name), log, LDM_CACHE=cache)
    one, other = (
        json.loads((run / "evaluations" / each / "metrics.json").read_text())
        for each in ("undisturbed", name)
    )
    expect(one == other, f"other scores: {one} and {other}")
    left = [path for path in (*run.rglob(".*"), *Path(cache).rglob(".*")) if path.name != ".lock"]
    expect(not left, f"leftovers {left}")
    return f"codes {' '.join(codes)}; then the same {len(one) - 1} scores"
