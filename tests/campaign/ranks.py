"""Two ranks beside one process: what they learn, draw and score, and the death of one of them."""

import csv
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from campaign.processes import (
    MACHINES,
    attempt,
    command,
    end,
    expect,
    finish,
    start,
    wait_for,
    whole,
)

__all__ = ["ranks"]

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]


def ranks(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield trials and outcomes."""
    folder.mkdir()
    yield "two ranks learn what one process learns", attempt(_learn, folder)
    yield "one process goes on with the run of two ranks", attempt(_change, folder)
    yield "two ranks draw the samples of one process", attempt(_draw, folder)
    yield "two ranks score as one process does", attempt(_score, folder)
    for victim in (0, 1):
        for phase, file in {"training": "tokenizer/metrics.csv", "checks": ".lock"}.items():
            if victim == 0 or phase == "training":
                trial = f"SIGKILL to rank {victim} alone in {phase}"
                yield trial, attempt(_kill_one, folder / f"{victim}-{phase}", victim, file)


def _learn(folder: Path) -> str:
    """Batches are the same and noise is not: the tokenizer has none, so it differs by rounding."""
    runs = [whole(folder.with_name("whole"), one) for one in ("one process", "two ranks")]
    found = []
    for stage, bound in {"tokenizer": 0.05, "prior": 0.1}.items():
        one, two = (_column(run / stage / "metrics.csv", "held_out_loss") for run in runs)
        apart = np.abs(one - two) / np.abs(one)
        expect(apart.max() < bound, f"held-out losses of the {stage} {apart.max():.2g} apart")
        found.append(f"{stage} {apart[0]:.1e} apart at first, {apart.max():.1e} at most")
    return "held-out losses: " + ", ".join(found)


def _change(folder: Path) -> str:
    run, log = folder / "change" / "run", folder / "log"
    run.parent.mkdir()
    process = start(command(run, *MACHINES["two ranks"]), log)
    last = run / "tokenizer/checkpoints/last.ckpt"
    expect(wait_for(process, last.exists), "no checkpoint")
    os.killpg(process.pid, signal.SIGTERM)
    end(process, log)
    finish(command(run), log)
    one = whole(folder.with_name("whole"), "one process")
    losses = [_column(x / "tokenizer/metrics.csv", "held_out_loss") for x in (run, one)]
    apart = np.abs(losses[0] - losses[1]) / np.abs(losses[1])
    expect(apart.max() < 0.05, f"held-out losses {apart.max():.2g} apart")
    return f"held-out losses of the tokenizer {apart.max():.1e} apart at most"


def _draw(folder: Path) -> str:
    run = whole(folder.with_name("whole"), "one process")
    drawn = []
    for name, launcher in {"one": [sys.executable], "two": TORCHRUN}.items():
        output = folder / f"samples-{name}"
        arguments = [*launcher, "sample.py", f"run={run}", "n=33", "seed=5", f"output={output}"]
        finish(arguments, folder / "log")
        with np.load(output / "samples.npz") as arrays:
            drawn.append({key: arrays[key].astype(int) for key in arrays})
    one, two = drawn
    expect((one["arr_1"] == two["arr_1"]).all(), "other labels")
    apart = np.abs(one["arr_0"] - two["arr_0"])
    expect(apart.max() <= 1, f"{apart.max()} levels apart")
    return f"{(apart == 0).mean():.2%} of bytes equal, the others one level apart"


def _score(folder: Path) -> str:
    run = whole(folder.with_name("whole"), "one process")
    scores = []
    for name, launcher in {"one": [sys.executable], "two": TORCHRUN}.items():
        more = [f"run={run}", f"name={name}", "eval=classifier", "eval.samples=100"]
        finish([*launcher, "-m", "eval", *more], folder / "log", LDM_CACHE=str(folder / "cache"))
        found = json.loads((run / "evaluations" / name / "metrics.json").read_text())
        scores.append({key: value for key, value in found.items() if key != "protocol"})
    one, two = scores
    expect(one.keys() == two.keys(), "other scores")
    apart = {key: abs(two[key] - value) / max(abs(value), 1e-9) for key, value in one.items()}
    worst = max(apart, key=apart.get)
    expect(apart[worst] < 1e-2, f"{worst}: {one[worst]} and {two[worst]}")
    return f"{len(one)} scores, {apart[worst]:.1e} apart at most ({worst})"


def _kill_one(folder: Path, victim: int, file: str) -> str:
    folder.mkdir()
    run, log = folder / "run", folder / "log"
    process = start(command(run, *MACHINES["two ranks"]), log)
    expect(wait_for(process, (run / file).exists), "does not begin")
    os.kill(_children(process.pid)[0] if victim else process.pid, signal.SIGKILL)
    began = time.monotonic()
    code, words = end(process, log)
    expect(code != 0, "the code of success")
    expect("Traceback" not in words, words[-900:])
    waited = time.monotonic() - began
    finish(command(run, *MACHINES["two ranks"]), log)
    return f"both end within {waited:.0f} s, code {code}; the same command goes on"


def _children(process: int) -> list[int]:
    """Process numbers of the ranks that a process has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, _, rest = path.read_text().partition(" (")
            parent = int(rest.rpartition(") ")[2].split()[1])
            words = path.with_name("cmdline").read_text()
        except OSError:  # it has ended meanwhile
            continue
        if parent == process and "train.py" in words:
            found.append(int(number))
    return found


def _column(path: Path, name: str) -> np.ndarray:
    with path.open(newline="") as file:
        return np.array([float(row[name]) for row in csv.DictReader(file)])
