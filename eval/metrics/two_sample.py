"""Maximum mean discrepancy of two samples on a manifold, with its null standard deviation.

Sources: Gretton et al., "A kernel two-sample test", 2012, equations 3 and 5; Song et al., "Feature
selection via dependence maximization", 2012, theorem 2, for the unbiased second moment.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

__all__ = ["Discrepancy", "GaussianKernel", "discrepancy", "median_distance"]


class GaussianKernel:
    """Mean over bandwidths b of `exp(-|x - y|^2 / 2 b^2)`, with `|x - y|` the chordal distance.

    In the coordinates of any embedding (unit vectors, (cos, sin) pairs, matrices) it is a positive
    definite and characteristic kernel: the discrepancy vanishes for equal distributions only. With
    geodesic distances it would be positive definite for every bandwidth on Euclidean spaces only
    (Feragen, Lauze and Hauberg, "Geodesic exponential kernels: when curvature and linearity
    conflict", 2015): on circles, spheres and tori, squared discrepancies could become negative.

    Args:
        bandwidths: one, such as `median_distance`, or several for several scales.

    Raises:
        ValueError: a bandwidth is not positive.
    """

    def __init__(self, *bandwidths: float) -> None:
        if not bandwidths or min(bandwidths) <= 0:
            raise ValueError(f"expected bandwidths greater than zero, got {bandwidths}")
        self.bandwidths = bandwidths

    def __call__(
        self, x: Float64[Tensor, "n dim"], y: Float64[Tensor, "m dim"]
    ) -> Float64[Tensor, "n m"]:
        half = torch.cdist(x, y).square() / 2
        return sum((-half / b**2).exp() for b in self.bandwidths) / len(self.bandwidths)


def median_distance(
    points: Float[Tensor, "n ..."], *, most: int = 2000, seed: int = 0
) -> Float64[Tensor, ""]:
    """Compute the median chordal distance between points, the usual bandwidth.

    Compute it from the data only, not from data and samples, so that all models are compared with
    the same kernel.

    Args:
        points: the data, two or more.
        most: size of the random subset used for larger sets.
        seed: seed of the subset, the same on every device.

    Raises:
        ValueError: there are fewer than two points, or the median distance is zero.

    Example:
        >>> median_distance(torch.tensor([[0.0], [1.0], [3.0]])).item()
        2.0
    """
    if len(points) < 2:
        raise ValueError(f"a chord needs two points, got {len(points)}")
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))[:most]
    chords = torch.pdist(points[order.to(points.device)].double().flatten(1))
    median = chords.median()
    if not median > 0:
        raise ValueError(f"expected a median distance greater than zero, got {median.item()}")
    return median


class Discrepancy(NamedTuple):
    """Squared maximum mean discrepancy.

    Attributes:
        unbiased: unbiased estimate; may be negative, zero in expectation for equal distributions.
        biased: estimate that compares each point to itself as well; never negative for a positive
            definite kernel.
        null_std: standard deviation of `unbiased` under the null hypothesis that both samples have
            one distribution, estimated from the pooled sample. The null distribution is skewed to
            the right, so `unbiased / null_std` is not a z-score.
    """

    unbiased: Float64[Tensor, ""]
    biased: Float64[Tensor, ""]
    null_std: Float64[Tensor, ""]


def discrepancy(
    x: Float[Tensor, "n ..."],
    y: Float[Tensor, "m ..."],
    gram: Callable[[Tensor, Tensor], Tensor],
    *,
    rows: int = 1024,
) -> Discrepancy:
    """Estimate the squared MMD of two samples for a kernel that is positive definite.

    Args:
        x: points of one sample, in coordinates of an embedding; axes after the first are flattened.
        y: points of the other sample.
        gram: `(n, dim), (m, dim) -> (n, m)`, the kernel of all pairs, such as a `GaussianKernel`.
        rows: number of points compared at once; memory grows as `rows * (n + m)`.

    Raises:
        ValueError: a sample has fewer than two points.

    Example: two equal points against two equal points far away.
        >>> x, y = torch.tensor([[0.0], [0.0]]), torch.tensor([[99.0], [99.0]])
        >>> discrepancy(x, y, GaussianKernel(1.0)).unbiased.item()
        2.0
    """
    n, m = len(x), len(y)
    if min(n, m) < 2:
        raise ValueError(f"a discrepancy needs two points in each sample, got {n} and {m}")
    pooled = torch.cat([x, y]).double().flatten(1)
    # Without the diagonal: sums of each row over x and over y, and the sum of all squares.
    sums, squares, diagonal = [], 0.0, []
    for start in range(0, n + m, rows):
        kernel = gram(pooled[start : start + rows], pooled)
        diagonal.append(kernel.diagonal(start).clone())
        kernel.diagonal(start).zero_()
        sums.append(torch.stack([kernel[:, :n].sum(dim=1), kernel[:, n:].sum(dim=1)], dim=1))
        squares = squares + kernel.square().sum()
    sums, diagonal = torch.cat(sums), torch.cat(diagonal)

    (xx, xy), (_, yy) = sums[:n].sum(dim=0), sums[n:].sum(dim=0)
    unbiased = xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)
    with_itself = (xx + diagonal[:n].sum()) / n**2 + (yy + diagonal[n:].sum()) / m**2
    # The centred kernel's values for different pairs are uncorrelated, so their variances add.
    pairs = 2 / (n * (n - 1)) + 2 / (m * (m - 1)) + 4 / (n * m)
    moment = _centred_second_moment(sums.sum(dim=1), squares)
    null_std = (pairs * moment.clamp(min=0)).sqrt()
    return Discrepancy(unbiased, with_itself - 2 * xy / (n * m), null_std)


def _centred_second_moment(
    row_sums: Float64[Tensor, " n"], squares: Float64[Tensor, ""]
) -> Float64[Tensor, ""]:
    """Estimate E of the doubly centred kernel squared, unbiased, from off-diagonal sums."""
    n = len(row_sums)
    total = row_sums.sum().square() / ((n - 1) * (n - 2))
    return (squares + total - 2 / (n - 2) * row_sums.square().sum()) / (n * (n - 3))
