"""Search for nearest codes, compared with the full distance matrix, at the sizes of GSQ's tables.

    python -m benchmarks.nearest_code

prints, for each size, the seconds of both (medians of alternating runs), their ratio, the fraction
of indices equal to the float64 argmin, and the extra memory: the peak resident size (Linux's VmHWM,
reset by /proc/self/clear_refs) of a separate process minus its resident size before the call. "new
codebook" is a training step, which includes building the search structure; "same codebook" is an
evaluation, which reuses it. Two-channel codes are measured as initialised, on the unit circle, and
spread over the plane.
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

from ldm.bottlenecks.nearest import nearest, rings, trees

BASELINE = "full float32 distance matrix"
RUNS = 3


class Case(NamedTuple):
    """Sizes of one row of the tables, and the target speed-up."""

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
    """Measure; one row per comparison: name, our seconds, baseline seconds, baseline, target."""
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
    """Find nearest codes from |q|^2 + |c|^2 - 2 q.c, with memory for one distance matrix."""
    distances = torch.addmm(codes.square().sum(1), queries, codes.T, alpha=-2)
    return distances.add_(queries.square().sum(1, keepdim=True)).argmin(1)


def measure(queries: Tensor, codes: Tensor) -> list[float]:
    """Measure median seconds: full matrix, ours with a new codebook, ours with the same again."""
    nearest(queries[:64], codes)
    full_matrix(queries[:64], codes)
    seconds = [[], [], []]
    for _ in range(RUNS):
        seconds[0].append(clock(full_matrix, queries, codes))
        trees.clear()
        rings.clear()
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
    """Measure the MB that a method adds at its peak, in a separate process."""
    command = [sys.executable, "-m", "benchmarks.nearest_code", name, method]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_extra_memory(name: str, method: str) -> None:
    search = {"ours": nearest, "baseline": full_matrix}[method]
    queries, codes = inputs(CASES[name])
    search(queries[:64], codes[:64])  # exclude one-time allocations of libraries
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    search(queries, codes)
    print((resident("VmHWM") - before) / 1000)


def resident(field: str) -> int:
    """Read a memory size of this process, in kilobytes."""
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
