"""Fréchet distance between two sets of features, from accumulated sums.

Source: Heusel et al., "GANs trained by a two time-scale update rule", 2017, equation 6; Dowson and
Landau, "The Fréchet distance between multivariate normal distributions", 1982. With Inception
features it is the FID.
"""

from os import PathLike
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric

__all__ = [
    "FrechetDistance",
    "FrechetStatistics",
    "Moments",
    "frechet_distance",
    "frechet_distance_svd",
]


class Moments(NamedTuple):
    """Mean and covariance of a set of features, float64.

    Attributes:
        mu: `(dim,)`.
        sigma: `(dim, dim)`, unbiased (divided by `n - 1`).
        n: number of features; None if a file does not contain it.
    """

    mu: Float[Tensor, " dim"]
    sigma: Float[Tensor, "dim dim"]
    n: int | None

    @classmethod
    def load(cls, path: str | PathLike[str], mu: str = "mu", sigma: str = "sigma") -> "Moments":
        """Read the usual `.npz` file with keys `mu` and `sigma`, and `n` where there is one.

        `mu="mu_s", sigma="sigma_s"` reads the statistics of sFID from ADM's.

        Raises:
            ValueError: a key is missing.
        """
        with np.load(path, allow_pickle=False) as arrays:
            if missing := {mu, sigma} - set(arrays.files):
                raise ValueError(f"{path} lacks {sorted(missing)}: it holds {arrays.files}")
            mean, covariance = (torch.from_numpy(arrays[key]).double() for key in (mu, sigma))
            return cls(mean, covariance, int(arrays["n"]) if "n" in arrays.files else None)


def frechet_distance(
    mu1: Float[Tensor, " dim"],
    sigma1: Float[Tensor, "dim dim"],
    mu2: Float[Tensor, " dim"],
    sigma2: Float[Tensor, "dim dim"],
) -> Float[Tensor, ""]:
    """Compute `|mu1 - mu2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2))` in float64, never negative.

    With any factor L of `S1 = L L'`, the eigenvalues of `S1 S2` are those of the symmetric matrix
    `L' S2 L`: real for every rank, without a matrix square root.

    Raises:
        ValueError: an entry is not finite.

    Example:
        >>> eye = torch.eye(4)
        >>> frechet_distance(torch.zeros(4), eye, torch.full((4,), 0.5), 4 * eye).item()
        5.0
    """
    mu1, sigma1, mu2, sigma2 = (x.double() for x in (mu1, sigma1, mu2, sigma2))
    for name, x in {"mu1": mu1, "sigma1": sigma1, "mu2": mu2, "sigma2": sigma2}.items():
        if not x.isfinite().all():
            raise ValueError(
                f"{name} holds {int((~x.isfinite()).sum())} numbers that are not finite"
            )
    root = _root(sigma1)
    product = root.T @ sigma2 @ root
    cross = torch.linalg.eigvalsh((product + product.T) / 2).clamp(min=0).sqrt().sum()
    distance = (mu1 - mu2).square().sum() + sigma1.trace() + sigma2.trace() - 2 * cross
    return distance.clamp(min=0)


def frechet_distance_svd(
    mu1: Float[Tensor, " dim"],
    sigma1: Float[Tensor, "dim dim"],
    mu2: Float[Tensor, " dim"],
    sigma2: Float[Tensor, "dim dim"],
) -> Float[Tensor, ""]:
    """Compute the same distance as evaluators of videos do that follow TensorFlow-GAN: in float32.

    Square roots are those of singular values, and singular values below 1e-10 stay as they are.
    Rounding leaves some hundredths for equal sets of I3D's features, and may leave less than zero.

    Example:
        >>> eye = torch.eye(4)
        >>> frechet_distance_svd(torch.zeros(4), eye, torch.full((4,), 0.5), 4 * eye).item()
        5.0
    """
    mu1, sigma1, mu2, sigma2 = (x.float() for x in (mu1, sigma1, mu2, sigma2))
    root = _svd_root(sigma1)
    cross = _svd_root(root @ sigma2 @ root).trace()
    return (mu1 - mu2).square().sum() + (sigma1 + sigma2).trace() - 2 * cross


def _svd_root(matrix: Float[Tensor, "dim dim"]) -> Float[Tensor, "dim dim"]:
    u, values, v = torch.linalg.svd(matrix)
    return u * torch.where(values < 1e-10, values, values.sqrt()) @ v


def _root(sigma: Float[Tensor, "dim dim"]) -> Float[Tensor, "dim dim"]:
    """Compute a matrix `L` with `sigma = L L'`."""
    # Cholesky is several times faster than eigenvectors, but fails for rank-deficient matrices.
    root, failed = torch.linalg.cholesky_ex(sigma)
    if not failed:
        return root
    values, vectors = torch.linalg.eigh(sigma)
    return vectors * values.clamp(min=0).sqrt()


class FrechetStatistics(Metric):
    """Count, sum and sum of outer products of features, in float64, summed over ranks.

    `a.merge_state(b)` merges two of them, as if one had seen all features.

    Args:
        size: dimension of a feature vector.

    Example:
        >>> statistics = FrechetStatistics(2)
        >>> statistics.update(torch.tensor([[0.0, 0.0], [2.0, 4.0]]))
        >>> statistics.compute().mu.tolist()
        [1.0, 2.0]
    """

    full_state_update = False

    def __init__(self, size: int) -> None:
        super().__init__()
        _declare(self, "", size)

    def update(self, features: Float[Tensor, "batch dim"]) -> None:
        """Add features; raises ValueError if one is not finite or has another size."""
        _add(self, "", features)

    def compute(self) -> Moments:
        """Return the moments; raises ValueError with fewer than two features."""
        return _moments(self, "")


class FrechetDistance(Metric):
    """`frechet_distance` between all generated and all real features seen on all ranks.

    Args:
        size: dimension of a feature vector.
        reference: precomputed moments of the real features; then only generated ones are added.
    """

    higher_is_better = False
    full_state_update = False

    def __init__(self, size: int, reference: Moments | None = None) -> None:
        super().__init__()
        if reference is not None and len(reference.mu) != size:
            raise ValueError(f"expected a reference of size {size}, got {len(reference.mu)}")
        self.reference = reference
        _declare(self, "real_", size)
        _declare(self, "fake_", size)

    def update(self, features: Float[Tensor, "batch dim"], *, real: bool) -> None:
        if real and self.reference is not None:
            raise ValueError("real features were given to a metric that was built on a reference")
        _add(self, "real_" if real else "fake_", features)

    def moments(self, *, real: bool) -> Moments:
        """Return the moments of one side; raises ValueError with fewer than two features."""
        if real and self.reference is not None:
            return self.reference
        return _moments(self, "real_" if real else "fake_")

    def compute(self) -> Float[Tensor, ""]:
        real, fake = self.moments(real=True), self.moments(real=False)
        mu, sigma = real.mu.to(fake.mu.device), real.sigma.to(fake.mu.device)
        return frechet_distance(mu, sigma, fake.mu, fake.sigma)


def _declare(metric: Metric, prefix: str, size: int) -> None:
    zeros = torch.zeros(size, size, dtype=torch.float64)
    metric.add_state(f"{prefix}n", default=torch.tensor(0), dist_reduce_fx="sum")
    metric.add_state(f"{prefix}total", default=zeros[0], dist_reduce_fx="sum")
    metric.add_state(f"{prefix}outer", default=zeros, dist_reduce_fx="sum")


def _add(metric: Metric, prefix: str, features: Float[Tensor, "batch dim"]) -> None:
    total = getattr(metric, f"{prefix}total")
    if features.shape[1] != len(total):
        raise ValueError(f"expected features of size {len(total)}, got size {features.shape[1]}")
    if not features.isfinite().all():
        bad = int((~features.isfinite()).any(dim=1).sum())
        raise ValueError(f"{bad} of {len(features)} features are not finite: look for NaN images")
    features = features.double()  # small covariances would be lost in float32 sums
    setattr(metric, f"{prefix}n", getattr(metric, f"{prefix}n") + len(features))
    setattr(metric, f"{prefix}total", total + features.sum(0))
    setattr(metric, f"{prefix}outer", getattr(metric, f"{prefix}outer") + features.T @ features)


def _moments(metric: Metric, prefix: str) -> Moments:
    n = int(getattr(metric, f"{prefix}n"))
    if n < 2:
        side = {"real_": "real ", "fake_": "generated "}.get(prefix, "")
        raise ValueError(f"a covariance needs two {side}features or more, got {n}")
    mu = getattr(metric, f"{prefix}total") / n
    sigma = (getattr(metric, f"{prefix}outer") - n * mu.outer(mu)) / (n - 1)
    return Moments(mu, sigma, n)
