"""The Fréchet distance of Inception-sized statistics, compared with SciPy's matrix square root.

Run it with `python -m benchmarks.fid`.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import scipy.linalg
import torch

from eval.metrics.frechet import frechet_distance

SIZE, SAMPLES, REPEATS = 2048, 10_000, 3


def rows() -> list[tuple[str, float, float, str, str]]:
    """Measure medians; one row: name, our seconds, baseline seconds, baseline, target."""
    first, second = _moments(0), _moments(1)
    ours, theirs = [], []
    for _ in range(REPEATS):  # alternate, so that other load on the machine affects both equally
        seconds, distance = _timed(lambda: frechet_distance(*first, *second).item())
        ours.append(seconds)
        seconds, expected = _timed(lambda: _by_square_root(first, second))
        theirs.append(seconds)
    print(f"Fréchet distance {distance:.9f}, by SciPy's sqrtm {expected:.9f}")
    name = f"Fréchet distance, {SIZE} features"
    medians = statistics.median(ours), statistics.median(theirs)
    return [(name, *medians, "scipy.linalg.sqrtm", "at most 0.25x")]


def _moments(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute mean and covariance of correlated non-negative features, as after a ReLU."""
    generator = torch.Generator().manual_seed(seed)
    shared = torch.Generator().manual_seed(99)
    mixing = torch.randn(SIZE, SIZE, generator=shared) / SIZE**0.5
    scale = torch.logspace(-2, 0, SIZE)
    x = ((torch.randn(SAMPLES, SIZE, generator=generator) + 0.01 * seed) * scale @ mixing).relu()
    return x.double().mean(0), torch.cov(x.double().T)


def _by_square_root(first: tuple, second: tuple) -> float:
    (mu1, sigma1), (mu2, sigma2) = ([x.numpy() for x in each] for each in (first, second))
    cross = np.trace(scipy.linalg.sqrtm(sigma1 @ sigma2)).real
    return float(np.square(mu1 - mu2).sum() + np.trace(sigma1) + np.trace(sigma2) - 2 * cross)


def _timed(function: Callable[[], float]) -> tuple[float, float]:
    start = time.perf_counter()
    value = function()
    return time.perf_counter() - start, value


if __name__ == "__main__":
    for name, ours, theirs, baseline, target in rows():
        print(f"{name}: {ours:.2f} s, {baseline} {theirs:.2f} s: {ours / theirs:.3f}x ({target})")
