"""Runs that are interrupted in every phase, one after the other, and then compared with a whole."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from campaign.processes import (
    PHASES,
    Failed,
    command,
    end,
    expect,
    finish,
    start,
    wait_for,
)
from safetensors.torch import load_file

__all__ = ["interruptions"]

MACHINES = {"two loaders": ["data.workers=2"], "two ranks": ["trainer=ddp_cpu"]}
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
STAGES = ("tokenizer", "prior")


def interruptions(folder: Path) -> Iterator[tuple[str, str]]:
    """Interrupt a run in each phase by each signal to its group; yields trials and outcomes."""
    for machine, options in MACHINES.items():
        whole = folder / machine / "whole"
        whole.parent.mkdir(parents=True)
        finish(command(whole, *options), folder / "log")
        for number in SIGNALS:
            name = signal.Signals(number).name
            run = folder / machine / name / "run"
            run.parent.mkdir()
            for phase in PHASES:
                yield (
                    f"{name} to {machine} in {phase}",
                    _outcome(_stop, run, options, phase, number),
                )
            yield (
                f"{name} in all phases of {machine}: ends as a whole run",
                _outcome(_compare, run, options, whole),
            )


def _outcome(trial, *arguments) -> str:
    try:
        return trial(*arguments)
    except Failed as failure:
        return f"FAILED: {failure}"


def _stop(run: Path, options: list[str], phase: str, number: int) -> str:
    log, (file, delay) = run.parent / "log", PHASES[phase]
    seen = run / "tokenizer/checkpoints/last.ckpt"
    process = start(command(run, *options), log)
    reached = wait_for(process, lambda: not file or (run / file).exists())
    time.sleep(delay)
    if not reached or process.poll() is not None:
        process.wait()
        return "not reached"
    os.killpg(process.pid, number)
    began = time.monotonic()
    code, words = end(process, log)
    if number == signal.SIGKILL:
        return "ended"
    # Before Python runs our code, it answers signals itself; nothing has begun by then.
    if phase != "imports":
        expect(code == 128 + number, f"exit code {code}: {words[-300:]}")
        expect("stopped by SIG" in words, words[-300:])
        expect("Traceback" not in words, words[-600:])
    saved = "state saved" in words
    if phase in STAGES:
        expect(saved, words[-300:])
        expect(seen.is_file(), "no checkpoint")
    return f"code {code} after {time.monotonic() - began:.1f} s{', saved' if saved else ''}"


def _compare(run: Path, options: list[str], whole: Path) -> str:
    finish(command(run, *options), run.parent / "log")
    for stage in STAGES:
        one, other = (load_file(one / stage / "model.safetensors") for one in (run, whole))
        expect(all((one[name] == other[name]).all() for name in other), f"other {stage} weights")
        rows = [(one / stage / "metrics.csv").read_text() for one in (run, whole)]
        expect(rows[0] == rows[1], f"other {stage}/metrics.csv")
    left = [path for path in run.rglob(".*") if path.name != ".lock"]
    expect(not left, f"leftovers {left}")
    return "same bits"
