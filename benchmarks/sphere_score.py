"""Scores of heat kernels on spheres, compared with autodiff through the eigenfunction series.

The baseline sums 100 terms of Gegenbauer polynomials by their recurrence in float64 and
differentiates the log. The recurrence includes the exponential decay of each term, which keeps it
finite in 128 coordinates. Variances are large enough for the series to be accurate.

Run it with `python -m benchmarks.sphere_score`.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from ldm.spaces import Sphere

TERMS, REPEATS = 100, 15
BASELINE = f"float64 autodiff of {TERMS} terms"


def series_score(x: Tensor, origin: Tensor, s: Tensor) -> Tensor:
    """Differentiate the log of the series and project to the tangent space."""
    d = x.shape[1] - 1
    a = (d - 1) / 2
    x = x.double().requires_grad_()
    cosine = (x * origin.double()).sum(1)
    s = s.double()
    before, term = torch.ones_like(s), 2 * a * cosine * (-d * s / 2).exp()
    total = before + (2 + d - 1) / (d - 1) * term
    for n in range(2, TERMS + 1):
        damp, twice = (-(2 * n + d - 2) * s / 2).exp(), (-(2 * n + d - 3) * s).exp()
        before, term = (
            term,
            (2 * (n + a - 1) * cosine * damp * term - (n + 2 * a - 2) * twice * before) / n,
        )
        total = total + (2 * n + d - 1) / (d - 1) * term
    (gradient,) = torch.autograd.grad(total.log().sum(), x)
    x = x.detach()
    return gradient - x * (gradient * x).sum(1, keepdim=True)


def rows() -> list[tuple[str, float, float, str, str]]:
    """Measure medians; one row per comparison: name, our seconds, baseline's, baseline, target."""
    return [
        compare(127, 4096, torch.float32, "at least 5x faster"),
        compare(127, 4096, torch.float64, "reported"),
        compare(2, 512, torch.float32, "reported"),
        drawing(2, 512),
    ]


def compare(dim: int, n: int, dtype: torch.dtype, target: str) -> tuple:
    x, origin, s = points(dim, n, dtype)
    kernel = Sphere(dim).heat_kernel
    ours, theirs = medians(lambda: kernel.score(x, origin, s), lambda: series_score(x, origin, s))
    error = (kernel.score(x, origin, s) - series_score(x, origin, s)).norm()
    print(f"S^{dim}: the scores differ by {error / kernel.score(x, origin, s).norm():.1e}")
    name = f"score on S^{dim}, {n} points, {str(dtype).removeprefix('torch.')}"
    return name, ours, theirs, BASELINE, target


def drawing(dim: int, n: int) -> tuple:
    """Compare a sample and its score, as in a training step, with a walk of 100 steps."""
    _, origin, s = points(dim, n, torch.float32)
    sphere = Sphere(dim)
    kernel = sphere.heat_kernel

    def walk() -> None:
        x = origin
        for _ in range(100):
            x = sphere.exp(x, (s / 100).sqrt().unsqueeze(1) * sphere.random_tangent(x))

    ours, theirs = medians(lambda: kernel.score(kernel.sample(origin, s), origin, s), walk)
    return f"draw and score on S^{dim}, {n} points", ours, theirs, "walk of 100 steps", "1.5 ms"


def points(dim: int, n: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    sphere, generator = Sphere(dim), torch.Generator().manual_seed(0)
    origin = sphere.random(n, generator, dtype=dtype)
    s = (2 + 2 * torch.rand(n, generator=generator, dtype=dtype)) / dim
    return sphere.heat_kernel.sample(origin, s, generator), origin, s


def medians(*functions: Callable[[], object]) -> list[float]:
    """Measure the median seconds of functions with alternating calls."""
    seconds: list[list[float]] = [[] for _ in functions]
    for repeat in range(REPEATS + 2):
        for function, times in zip(functions, seconds, strict=True):
            start = time.perf_counter()
            function()
            if repeat > 1:
                times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in seconds]


if __name__ == "__main__":
    for name, ours, theirs, baseline, target in rows():
        print(
            f"{name}: {ours * 1e3:.2f} ms, {baseline} {theirs * 1e3:.2f} ms: "
            f"{theirs / ours:.1f}x ({target})"
        )
