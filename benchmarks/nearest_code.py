"""Nearest codes against the full distance matrix, at the sizes of the GSQ tables.

    python -m benchmarks.nearest_code

prints, for each size, seconds of both (median of runs that take turns), their ratio, the share of
indices equal to the float64 argmin, and the extra memory: how far the peak resident size (VmHWM of
Linux, set back by /proc/self/clear_refs) of a process of its own rises above what it holds before
the call. "new codebook" is a training step: what is built from the codes is built in the time
measured. "same codebook" is an evaluation, where it was built before. Codes of two channels are
measured as initialised, on the unit circle, and spread over the plane.
"""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ldm.bottlenecks.nearest import nearest, trees

BASELINE = "full float32 distance matrix"
RUNS = 3


class Case(NamedTuple):
    """One row of the tables: its sizes, and what is asked of it."""

    codes: int
    queries: int
    width: int
    unit: str  # which of codes and queries have unit length
    target: str


CASES = {
    "f16-d16-g8 v262144, spread": Case(262_144, 8192, 2, "", "50x"),
    "f16-d16-g8 v262144, initial": Case(262_144, 8192, 2, "codes", "50x"),
    "f8-d64-g16 v8192": Case(8192, 65_536, 4, "codes, queries", "20x"),
    "f16-d16-g1 v262144": Case(262_144, 1024, 16, "codes, queries", "2x"),
}


def rows() -> list[tuple[str, float, float, str, str]]:
    """(name, seconds of ours, seconds of the baseline, name of the baseline, target)."""
    return [
        (f"{name}, {kind}", ours, baseline, BASELINE, case.target)
        for name, case in CASES.items()
        for baseline, *both in [measure(*inputs(case))]
        for kind, ours in zip(("new codebook", "same codebook"), both, strict=True)
    ]


def inputs(case: Case) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(case.queries, case.width, generator=generator)
    codes = torch.randn(case.codes, case.width, generator=generator)
    queries = normalize(queries, dim=1) if "queries" in case.unit else queries
    return queries, normalize(codes, dim=1) if "codes" in case.unit else codes


def full_matrix(queries: Tensor, codes: Tensor) -> Tensor:
    """|q|^2 + |c|^2 - 2 q.c with one matrix of memory, the fewest possible."""
    distances = torch.addmm(codes.square().sum(1), queries, codes.T, alpha=-2)
    return distances.add_(queries.square().sum(1, keepdim=True)).argmin(1)


def measure(queries: Tensor, codes: Tensor) -> list[float]:
    """Median seconds of the full matrix, of ours with a new codebook, and with the same again."""
    nearest(queries[:64], codes)
    full_matrix(queries[:64], codes)
    seconds = [[], [], []]
    for _ in range(RUNS):
        seconds[0].append(clock(full_matrix, queries, codes))
        trees.clear()
        seconds[1].append(clock(nearest, queries, codes))
        seconds[2].append(clock(nearest, queries, codes))
    return [median(part) for part in seconds]


def clock(search, *arguments) -> float:
    start = time.perf_counter()
    search(*arguments)
    return time.perf_counter() - start


def float64_argmin(queries: Tensor, codes: Tensor) -> Tensor:
    queries, codes = queries.double(), codes.double()
    half = codes.square().sum(1) / 2
    return torch.cat([torch.addmm(-half, part, codes.T).argmax(1) for part in queries.split(256)])


def extra_memory(name: str, method: str) -> float:
    """MB a method adds at its peak, in a process that does nothing else."""
    command = [sys.executable, "-m", "benchmarks.nearest_code", name, method]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_extra_memory(name: str, method: str) -> None:
    search = {"ours": nearest, "baseline": full_matrix}[method]
    queries, codes = inputs(CASES[name])
    search(queries[:64], codes[:64])  # what libraries allocate once is not the method's
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    search(queries, codes)
    print((resident("VmHWM") - before) / 1000)


def resident(field: str) -> int:
    """Kilobytes."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith(field)))


def main() -> None:
    for name, ours, baseline, _, target in rows():
        print(f"{name}: {ours:.3f} s, {BASELINE} {baseline:.3f} s, ", end="")
        print(f"{baseline / ours:.1f}x (target {target})", flush=True)
    for name, case in CASES.items():
        queries, codes = inputs(case)
        exact = float64_argmin(queries, codes)
        for method, search in (("ours", nearest), ("baseline", full_matrix)):
            equal = (search(queries, codes) == exact).double().mean().item()
            memory = extra_memory(name, method)
            print(f"{name}, {method}: {equal:.4%} exact, {memory:.0f} MB extra", flush=True)


if __name__ == "__main__":
    print_extra_memory(*sys.argv[1:]) if len(sys.argv) == 3 else main()
