"""Exp, log and projection on manifolds, compared with geomstats on torch and with geoopt.

    python -m benchmarks.geometry

Medians of alternating runs with 100,000 points in float64, the precision of geomstats. The log of
geomstats on SO(3) loops over points, so both get 1,000 points there. geoopt has the sphere only.
"""

import os
import statistics
import time
from collections.abc import Callable

import numpy
import torch

from ldm.spaces import Rotations, Space, Sphere, Torus

POINTS, FEW, REPEATS = 100_000, 1_000, 5
GEOMSTATS, GEOOPT = "geomstats on torch", "geoopt"
AGREE = 1e-4  # tolerance of the mean, as geomstats' arccosines are inaccurate near antipodes


def rows() -> list[tuple[str, float, float, str, str]]:
    """Measure; one row per comparison: name, our seconds, baseline seconds, baseline, target."""
    cases = [*_geomstats(), *_geoopt()]
    found = []
    for name, ours, theirs, baseline, target in cases:
        if (ours() - theirs()).abs().mean() > AGREE:
            raise AssertionError(f"{name}: the answers differ from those of {baseline}")
        found.append((name, *_medians(ours, theirs), baseline, target))
    return found


def _geomstats() -> list[tuple[str, Callable, Callable, str, str]]:
    numpy.trapz = numpy.trapezoid  # noqa: NPY201 - removed from numpy but used by geomstats
    os.environ["GEOMSTATS_BACKEND"] = "pytorch"
    default = torch.get_default_dtype()
    from geomstats.geometry.hypersphere import Hypersphere
    from geomstats.geometry.special_orthogonal import SpecialOrthogonal

    torch.set_default_dtype(default)
    cases = []
    for name, space, theirs in (
        ("S^2", Sphere(2), Hypersphere(2)),
        ("SO(3)", Rotations(), SpecialOrthogonal(3)),
    ):
        x, y, v, off = _points(space)
        metric = theirs.metric
        few = slice(FEW if name == "SO(3)" else POINTS)
        cases += [
            (f"exp on {name}", _call(space.exp, x, v), _call(metric.exp, v, x)),
            (f"log on {name}", _call(space.log, x[few], y[few]), _call(metric.log, y[few], x[few])),
            (f"projection on {name}", _call(space.project, off), _call(theirs.projection, off)),
        ]
    torus, circle = Torus(7), Hypersphere(1)
    x, y, v, _ = _points(torus)

    def on_circles(angle: torch.Tensor) -> torch.Tensor:
        return torch.stack([angle.cos(), angle.sin()], -1).reshape(-1, 2)

    a, b = on_circles(x), on_circles(y)
    turn = torch.stack([-x.sin(), x.cos()], -1).reshape(-1, 2)
    u = turn * v.reshape(-1, 1)

    def exp() -> torch.Tensor:
        return on_circles(torus.exp(x, v))

    def log() -> torch.Tensor:
        return turn * torus.log(x, y).reshape(-1, 1)

    cases += [
        ("exp on T^7", exp, _call(circle.metric.exp, u, a)),
        ("log on T^7", log, _call(circle.metric.log, b, a)),
    ]
    return [(*case, GEOMSTATS, "3x") for case in cases]


def _geoopt() -> list[tuple[str, Callable, Callable, str, str]]:
    import geoopt

    space, theirs = Sphere(2), geoopt.Sphere()
    x, y, v, off = _points(space)
    cases = [
        ("exp on S^2", _call(space.exp, x, v), _call(theirs.expmap, x, v)),
        ("log on S^2", _call(space.log, x, y), _call(theirs.logmap, x, y)),
        ("projection on S^2", _call(space.project, off), _call(theirs.projx, off)),
    ]
    return [(*case, GEOOPT, "1.2x") for case in cases]


def _points(space: Space) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    x, y = (space.random(POINTS, generator, dtype=torch.float64) for _ in range(2))
    off = x + 0.1 * torch.randn(x.shape, generator=generator, dtype=torch.float64)
    return x, y, space.random_tangent(x, generator), off


def _call(function: Callable, *arguments: torch.Tensor) -> Callable:
    return lambda: function(*arguments)


def _medians(*functions: Callable) -> list[float]:
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(REPEATS):
        for function, times in zip(functions, seconds, strict=True):
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in seconds]


if __name__ == "__main__":
    for name, ours, theirs, baseline, target in rows():
        print(f"{name}: {theirs / ours:.1f}x faster than {baseline} (target {target})")
