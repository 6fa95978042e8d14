"""Real processes of a short run: started, interrupted in a phase, and judged by what they leave."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from safetensors.torch import load_file

__all__ = [
    "MACHINES",
    "PHASES",
    "STAGES",
    "Failed",
    "attempt",
    "command",
    "compare",
    "end",
    "expect",
    "finish",
    "refusal",
    "start",
    "wait_for",
    "whole",
]

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 600.0  # seconds for anything that should happen
STAGES = ("tokenizer", "prior")
MACHINES = {
    "one process": [],
    "two loaders": ["data.workers=2"],
    "two ranks": ["trainer=ddp_cpu"],
}

SHORT = [
    "experiment=demo/digits",
    "tokenizer.encoder.blocks=1",
    "tokenizer.training.samples=1920",
    "prior.training.samples=2560",
    "prior.backbone.width=32",
    "prior.backbone.depth=2",
    "prior.backbone.heads=2",
    "sampler.steps=4",
    "eval=reconstructions",
    "eval.batch_size=1",
    "trainer.accelerator=cpu",
    "trainer.pictures=1",
    "trainer.records=50",
    "trainer.checkpoints=10",
]

PHASES: dict[str, tuple[str, float]] = {
    "imports": ("", 0.3),
    "checks": (".lock", 0.0),
    "tokenizer": ("tokenizer/metrics.csv", 0.2),
    "latents": ("prior/config.yaml", 0.3),
    "prior": ("prior/metrics.csv", 0.2),
    "evaluation": ("prior/model.safetensors", 0.1),
}
"""File of a run folder that appears when each phase begins, and seconds to wait after it."""


class Failed(AssertionError):
    """A trial did not hold; the message says what was found."""


def attempt(trial: Callable[..., str], *arguments) -> str:
    """Return what a trial found; that it failed, and how; or why it could not be tried here."""
    try:
        return trial(*arguments)
    except Failed as failure:
        return f"FAILED: {failure}"
    except (OSError, subprocess.CalledProcessError) as error:
        return f"not tried: {error}"


def expect(holds: bool, found: object) -> None:
    """Refuse a trial's outcome.

    Raises:
        Failed: with what was found.
    """
    if not holds:
        raise Failed(str(found))


def command(run: Path, *more: str) -> list[str]:
    """Compose the training command of the short run in a folder."""
    return [sys.executable, "train.py", *SHORT, *more, f"run={run}"]


def start(arguments: Sequence[str], log: Path, **variables: str) -> subprocess.Popen:
    """Start a command in a process group of its own, writing to a log that its end is read from."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    with log.open("w") as file:
        return subprocess.Popen(
            arguments,
            cwd=ROOT,
            env=environment,
            stdout=file,
            stderr=file,
            start_new_session=True,
            # A shell's background commands ignore interrupts, and so would what they start.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def wait_for(process: subprocess.Popen, happened: Callable[[], bool]) -> bool:
    """Wait until something has happened, or the process has ended; returns whether it happened."""
    deadline = time.monotonic() + PATIENCE
    while not happened() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return happened()


def end(process: subprocess.Popen, log: Path) -> tuple[int, str]:
    """Wait until a command has ended with all of its group; returns its exit code and its words.

    Raises:
        Failed: it hangs, or processes of its group outlive it.
    """
    try:
        code = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise Failed(f"hangs: {log.read_text()[-300:]}") from None
    deadline = time.monotonic() + 20  # loaders look for their parent every 5 seconds
    while _alive(process.pid):
        if time.monotonic() > deadline:
            os.killpg(process.pid, signal.SIGKILL)
            raise Failed("processes of its group outlive it")
        time.sleep(0.1)
    return code, log.read_text()


def finish(arguments: Sequence[str], log: Path, **variables: str) -> None:
    """Run a command to its end.

    Raises:
        Failed: it fails.
    """
    code, words = end(start(arguments, log, **variables), log)
    expect(code == 0, f"exit code {code}: {words[-300:]}")


def refusal(arguments: Sequence[str], log: Path) -> str | None:
    """Run a command that may be refused; returns its one message, None if it was not refused.

    Raises:
        Failed: it ends in any other way.
    """
    code, words = end(start(arguments, log), log)
    if code == 0:
        return None
    expect(code == 2, f"exit code {code}: {words[-300:]}")
    expect("Traceback" not in words, words[-600:])
    # Another rank may say that it cannot go on without this one.
    messages = [one for one in words.split("error: ")[1:] if not one.startswith("another process")]
    expect(len(messages) == 1, f"not one message: {words[-600:]}")
    return messages[0].strip()


def whole(folder: Path, machine: str) -> Path:
    """Train the short run without interruption, once for all trials; returns its folder.

    Loaders change nothing, so runs with them are compared with one without.
    """
    machine = "one process" if machine == "two loaders" else machine
    run = folder / machine / "run"
    if not run.is_dir():
        run.parent.mkdir(parents=True)
        finish(command(run, *MACHINES[machine]), run.parent / "log")
    return run


def compare(run: Path, expected: Path) -> str:
    """Compare weights and records of all stages with those of another run, bit by bit.

    Raises:
        Failed: they differ, or temporary files are left over.
    """
    for stage in STAGES:
        one, other = (load_file(one / stage / "model.safetensors") for one in (run, expected))
        expect(all((one[name] == other[name]).all() for name in other), f"other {stage} weights")
        rows = [(one / stage / "metrics.csv").read_text() for one in (run, expected)]
        expect(rows[0] == rows[1], f"other {stage}/metrics.csv")
    left = [path for path in run.rglob(".*") if path.name != ".lock"]
    expect(not left, f"leftovers {left}")
    return "same bits"


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
