"""Time until a command answers, compared with importing torch, which it should not wait for.

Each is a process of its own; medians of alternating runs.

Run it with `python -m benchmarks.start`.
"""

import statistics
import subprocess
import sys
import time

ROUNDS = 5
TORCH = ("-c", "import torch")
COMMANDS = {
    "train.py --help": ("train.py", "--help"),
    "train.py with a misspelt key": ("train.py", "experiment=demo/digits", "sampler.stepz=3"),
    "python -m eval --help": ("-m", "eval", "--help"),
}
Row = tuple[str, float, float, str, str]


def seconds(arguments: tuple[str, ...]) -> float:
    """Time of one process, to its end."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True)
    return time.perf_counter() - start


def rows() -> list[Row]:
    """Measure; one row a command: name, our seconds, baseline seconds, baseline, target."""
    found = []
    for name, command in COMMANDS.items():
        pairs = [(seconds(command), seconds(TORCH)) for _ in range(ROUNDS)]
        ours, baseline = (statistics.median(times) for times in zip(*pairs, strict=True))
        found.append((name, ours, baseline, "import torch", "under 1 s"))
    return found


if __name__ == "__main__":
    for name, ours, baseline, against, target in rows():
        print(f"{name}: {ours:.2f} s, {against}: {baseline:.2f} s ({target})")
