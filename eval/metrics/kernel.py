"""Kernel distance between two sets of features, unbiased also for small sets.

Source: Bińkowski et al., "Demystifying MMD GANs", 2018, section 4; Gretton et al., "A kernel
two-sample test", 2012, equation 3. With Inception features it is the KID.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

__all__ = ["KernelDistance", "kernel_distance", "squared_mmd"]


def squared_mmd(x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"]) -> Float[Tensor, ""]:
    """Estimate the squared maximum mean discrepancy for `k(a, b) = (a.b / dim + 1)^3`, unbiased.

    Its expectation is zero for equal distributions, so single values may be negative.

    Raises:
        ValueError: a set has fewer than two features.

    Example:
        >>> round(squared_mmd(torch.zeros(2, 1), torch.ones(2, 1)).item(), 3)  # 1 + 8 - 2
        7.0
    """
    n, m = len(x), len(y)
    if min(n, m) < 2:
        raise ValueError(f"a kernel distance needs two features in each set, got {n} and {m}")
    within_x = _off_diagonal(_kernel(x, x)) / (n * (n - 1))
    within_y = _off_diagonal(_kernel(y, y)) / (m * (m - 1))
    return within_x + within_y - 2 * _kernel(x, y).mean()


def _kernel(x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"]) -> Float[Tensor, "n m"]:
    # Inner products in the features' precision, sums of near-equal terms in float64.
    return (x @ y.T / x.shape[1] + 1).double() ** 3


def _off_diagonal(kernel: Float[Tensor, "n n"]) -> Float[Tensor, ""]:
    return kernel.sum() - kernel.trace()


def kernel_distance(
    x: Float[Tensor, "n dim"],
    y: Float[Tensor, "m dim"],
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Compute mean and standard deviation of `squared_mmd` over random subsets, as KID is reported.

    Args:
        x: features of one set.
        y: features of the other.
        subsets: number of pairs of subsets, each drawn without replacement.
        subset_size: size of each subset, at most that of the smaller set.
        seed: seed of the subsets, the same on every device.

    Returns:
        `mean` and `std` over the subsets (ddof 0), not multiplied by 1000. If every subset is a
        whole set, `std` is zero and does not measure the sampling error.
    """
    x, y = _sorted(x), _sorted(y)
    size = min(subset_size, len(x), len(y))
    generator = torch.Generator().manual_seed(seed)
    values = torch.stack(
        [
            squared_mmd(_subset(x, size, generator), _subset(y, size, generator))
            for _ in range(subsets)
        ]
    )
    return {"mean": values.mean(), "std": values.std(correction=0)}


def _subset(x: Float[Tensor, "n dim"], size: int, generator: torch.Generator) -> Tensor:
    return x[torch.randperm(len(x), generator=generator)[:size].to(x.device)]


class KernelDistance(Metric):
    """`kernel_distance` between all generated and all real features seen on all ranks."""

    higher_is_better = False
    full_state_update = False

    def __init__(self, subsets: int = 100, subset_size: int = 1000, seed: int = 0) -> None:
        super().__init__()
        self.subsets, self.subset_size, self.seed = subsets, subset_size, seed
        self.add_state("real", default=[], dist_reduce_fx="cat")
        self.add_state("fake", default=[], dist_reduce_fx="cat")

    def update(self, features: Float[Tensor, "batch dim"], *, real: bool) -> None:
        (self.real if real else self.fake).append(features.float())

    def compute(self) -> dict[str, Tensor]:
        return kernel_distance(
            dim_zero_cat(self.real),
            dim_zero_cat(self.fake),
            subsets=self.subsets,
            subset_size=self.subset_size,
            seed=self.seed,
        )


def _sorted(x: Float[Tensor, "n dim"]) -> Float[Tensor, "n dim"]:
    # The gathered order depends on the number of ranks; the subsets must not.
    return x[x[:, 0].argsort(stable=True)]
