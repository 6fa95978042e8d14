"""Error bars over seeds."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

__all__ = ["SeedSpread", "seed_spread"]


class SeedSpread(NamedTuple):
    """A result over seeds.

    Attributes:
        mean: over the seeds.
        std: the sample's, divided by `n - 1`; flow matching papers report `mean +- std`.
        half_width: of the 95 % confidence interval of the mean by Student's t. RSGM reports
            `mean +- half_width`, 1.24 times `std` for five seeds. Say which one is meant.
        n: how many seeds.
    """

    mean: float
    std: float
    half_width: float
    n: int


def seed_spread(values: Sequence[float]) -> SeedSpread:
    """Mean of one result over seeds that drive split and initialisation, and how sure it is.

    Raises:
        ValueError: there are fewer than two values, or one is not finite: a run that failed is to
            be reported, not averaged away.

    Example:
        >>> spread = seed_spread([1.0, 2.0, 3.0, 4.0, 5.0])
        >>> spread.mean, round(spread.std, 3), round(spread.half_width, 3)
        (3.0, 1.581, 1.963)
    """
    n = len(values)
    if n < 2 or not np.isfinite(values).all():
        raise ValueError(f"a spread needs two finite values or more, got {list(values)}")
    std = float(np.std(values, ddof=1))
    return SeedSpread(
        mean=float(np.mean(values)),
        std=std,
        half_width=float(stats.t.ppf(0.975, n - 1)) * std / math.sqrt(n),
        n=n,
    )
