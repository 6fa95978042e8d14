"""Runs that are interrupted in every phase, one after the other, and then compared with a whole."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from campaign.processes import (
    MACHINES,
    PHASES,
    STAGES,
    attempt,
    command,
    compare,
    end,
    expect,
    finish,
    start,
    wait_for,
    whole,
)

__all__ = ["chain", "interruptions"]

SIGNALS = (signal.SIGTERM, signal.SIGINT)
BUSY = ("tokenizer", "latents", "prior")  # phases in which loaders run
KILLS, LONGEST = 3, 4.0  # in each phase, at most so many seconds after it has begun


def interruptions(folder: Path) -> Iterator[tuple[str, str]]:
    """Interrupt a run in each phase by each signal to its group; yields trials and outcomes."""
    for machine, phases in {"two ranks": PHASES, "two loaders": BUSY}.items():
        for number in SIGNALS:
            name = signal.Signals(number).name
            run = folder / machine / name / "run"
            run.parent.mkdir(parents=True)
            for phase in phases:
                yield f"{name} to {machine} in {phase}", attempt(_stop, run, machine, phase, number)
            yield (
                f"{name} in phases of {machine}: ends as a whole run",
                attempt(_go_on, run, machine),
            )


def chain(folder: Path) -> Iterator[tuple[str, str]]:
    """Kill runs at random moments, again and again; yields trials and outcomes."""
    for machine in ("two loaders", "two ranks"):
        trial = f"SIGKILL to {machine} at {KILLS} random moments of each phase"
        yield trial, attempt(_chain, folder / machine / "run", machine)


def _stop(run: Path, machine: str, phase: str, number: int) -> str:
    log, (file, delay) = run.parent / "log", PHASES[phase]
    seen = run / "tokenizer/checkpoints/last.ckpt"
    process = start(command(run, *MACHINES[machine]), log)
    reached = wait_for(process, lambda: not file or (run / file).exists())
    time.sleep(delay)
    if not reached or process.poll() is not None:
        process.wait()
        return "not reached"
    os.killpg(process.pid, number)
    began = time.monotonic()
    code, words = end(process, log)
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


def _go_on(run: Path, machine: str) -> str:
    finish(command(run, *MACHINES[machine]), run.parent / "log")
    return compare(run, whole(run.parents[2].with_name("whole"), machine))


def _chain(run: Path, machine: str) -> str:
    run.parent.mkdir(parents=True)
    expected = whole(run.parents[1].with_name("whole"), machine)
    moments, log = random.Random(0), run.parent / "log"
    hit = dict.fromkeys(PHASES, 0)
    for phase in [one for one in list(PHASES)[2:] for _ in range(KILLS)]:
        process = start(command(run, *MACHINES[machine]), log)
        begun = run / PHASES[phase][0]
        wait_for(process, lambda p=process, begun=begun: _owns(p.pid, run) and begun.exists())
        try:
            process.wait(moments.uniform(0, LONGEST))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            hit[[one for one, (file, _) in PHASES.items() if (run / file).exists()][-1]] += 1
        else:
            expect(process.returncode == 0, log.read_text()[-300:])
        end(process, log)
    finish(command(run, *MACHINES[machine]), log)
    where = ", ".join(f"{count} in {phase}" for phase, count in hit.items() if count)
    return f"{compare(run, expected)}; {where}"


def _owns(process: int, run: Path) -> bool:
    lock = run / ".lock"
    return lock.is_file() and lock.read_text().startswith(f"process {process} on")
