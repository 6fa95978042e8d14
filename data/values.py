"""Checks of the numbers that datasets are built with."""

import math

from data.files.errors import DataError

__all__ = ["check_positive", "check_seed"]


def check_positive(**values: float) -> None:
    """Refuse numbers that are not positive and finite, by their names.

    Raises:
        DataError: one is zero, negative, infinite or NaN.
    """
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise DataError(f"{name} must be a positive number, got {value}")


def check_seed(**seeds: int) -> None:
    """Refuse seeds that random generators do not take, by their names.

    Raises:
        DataError: one is negative, or 2^63 or more.
    """
    for name, seed in seeds.items():
        if not 0 <= seed < 1 << 63:
            raise DataError(f"{name} must be at least 0 and below 2^63, got {seed}")
