"""Learning-rate schedules: stateless functions of the number of samples seen."""

import math
from collections.abc import Sequence

__all__ = ["Constant", "Cosine", "Exponential", "LateDecay", "Milestones"]


class Constant:
    """Linear warm-up, then the full rate.

    Args:
        warmup: samples until the full rate is reached.

    Raises:
        ValueError: `warmup` is negative.
    """

    def __init__(self, warmup: int = 0) -> None:
        if warmup < 0:
            raise ValueError(f"warmup must be 0 samples or more, got {warmup}")
        self.warmup = warmup

    def __call__(self, seen: int, total: int) -> float:
        """Factor of the learning rate after `seen` of `total` samples."""
        return min(1.0, seen / self.warmup) if self.warmup else 1.0


class Cosine(Constant):
    """Linear warm-up, then a half cosine down to a fraction of the full rate.

    Args:
        warmup: samples until the full rate is reached.
        final: factor at the end.

    Raises:
        ValueError: an argument is negative.
    """

    def __init__(self, warmup: int = 0, final: float = 0.0) -> None:
        super().__init__(warmup)
        if final < 0:
            raise ValueError(f"final must be a factor of 0 or more, got {final}")
        self.final = final

    def __call__(self, seen: int, total: int) -> float:
        if seen < self.warmup:
            return super().__call__(seen, total)
        progress = min(1.0, (seen - self.warmup) / max(1, total - self.warmup))
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * progress))


class Exponential(Constant):
    """A factor at every epoch, or every other number of samples.

    Args:
        every: samples between two changes.
        factor: by which the rate is then multiplied.
        warmup: samples of a linear warm-up, besides.

    Raises:
        ValueError: `every` is less than 1, the factor is not in (0, 1], or `warmup` is negative.

    Example:
        >>> Exponential(every=80, factor=0.5)(seen=170, total=1000)
        0.25
    """

    def __init__(self, every: int, factor: float, warmup: int = 0) -> None:
        super().__init__(warmup)
        if every < 1 or not 0 < factor <= 1:
            raise ValueError(
                f"every must be 1 sample or more and factor in (0, 1], got {every} and {factor}"
            )
        self.every, self.factor = every, factor

    def __call__(self, seen: int, total: int) -> float:
        return super().__call__(seen, total) * self.factor ** (seen // self.every)


class LateDecay(Constant):
    """The full rate, and from a number of samples on a line down to a fraction of it at the end.

    Args:
        begin: samples after which the rate falls.
        final: factor at the end.
        warmup: samples of a linear warm-up, besides.

    Raises:
        ValueError: an argument is negative.

    Example:
        >>> LateDecay(begin=600, final=0.5)(seen=800, total=1000)
        0.75
    """

    def __init__(self, begin: int, final: float = 0.0, warmup: int = 0) -> None:
        super().__init__(warmup)
        if begin < 0 or final < 0:
            raise ValueError(f"begin and final must be 0 or more, got {begin} and {final}")
        self.begin, self.final = begin, final

    def __call__(self, seen: int, total: int) -> float:
        progress = min(1.0, max(0, seen - self.begin) / max(1, total - self.begin))
        return super().__call__(seen, total) * (1 - progress * (1 - self.final))


class Milestones(Constant):
    """The full rate, multiplied by a factor at each of some numbers of samples.

    Args:
        at: samples at which the rate changes, in ascending order.
        factor: by which it is multiplied there.
        warmup: samples of a linear warm-up, besides.

    Raises:
        ValueError: the numbers do not ascend, the factor is not in (0, 1], or `warmup` is negative.

    Example:
        >>> Milestones([600, 900], factor=0.5)(seen=900, total=1000)
        0.25
    """

    def __init__(self, at: Sequence[int], factor: float = 0.1, warmup: int = 0) -> None:
        super().__init__(warmup)
        if list(at) != sorted(set(at)) or not 0 < factor <= 1:
            raise ValueError(
                f"at must be ascending numbers of samples and factor in (0, 1], got {list(at)} and "
                f"{factor}"
            )
        self.at, self.factor = list(at), factor

    def __call__(self, seen: int, total: int) -> float:
        passed = sum(seen >= one for one in self.at)
        return super().__call__(seen, total) * self.factor**passed
