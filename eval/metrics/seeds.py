"""Mean, standard deviation and confidence interval over seeds."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

__all__ = ["SeedSpread", "seed_spread"]


class SeedSpread(NamedTuple):
    """Summary of one result over several seeds.

    Attributes:
        mean: mean over the seeds.
        std: standard deviation (ddof 1); flow matching papers report `mean +- std`.
        half_width: half width of the 95 % confidence interval of the mean by Student's t. RSGM
            reports `mean +- half_width`, 1.24 times `std` for five seeds. State which is reported.
        n: number of seeds.
    """

    mean: float
    std: float
    half_width: float
    n: int


def seed_spread(values: Sequence[float]) -> SeedSpread:
    """Summarise one result over seeds of split and initialisation.

    Raises:
        ValueError: there are fewer than two values, or one is not finite: failed runs must be
            reported, not averaged.

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
