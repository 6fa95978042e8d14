"""Gradient clipping at a norm that follows those seen before."""

import statistics

__all__ = ["AdaptiveClip"]


class AdaptiveClip:
    """The largest gradient norm of a step: a multiple of the mean of the last norms, and a margin.

    It is `factor mean + deviations std` of at most `length` norms, each as it was clipped, the
    first of which is `start`. Saved with checkpoints, so that training resumes exactly.

    Source: the training of Hoogeboom et al., "Equivariant diffusion for molecule generation in 3D",
    2022.

    Args:
        factor: of the mean.
        deviations: of the (population) standard deviation.
        length: number of norms that are remembered.
        start: the norm that is remembered to begin with; it must be above 0.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> clip = AdaptiveClip(start=2.0)
        >>> clip(10.0), clip.norms
        (3.0, [2.0, 3.0])
    """

    def __init__(
        self,
        factor: float = 1.5,
        deviations: float = 2.0,
        length: int = 50,
        start: float = 3000.0,
    ) -> None:
        if not (factor > 0 and deviations >= 0 and length >= 1 and start > 0):
            raise ValueError(
                f"an adaptive clip needs a factor and a start above 0, deviations of 0 or more and "
                f"a length of 1 or more, got {factor}, {start}, {deviations} and {length}"
            )
        self.factor, self.deviations, self.length = factor, deviations, length
        self.norms = [start]

    def __call__(self, norm: float) -> float:
        """The largest norm of this step, whose gradient has this one; it is remembered."""
        spread = self.deviations * statistics.pstdev(self.norms)
        largest = self.factor * statistics.fmean(self.norms) + spread
        self.norms = [*self.norms, min(norm, largest)][-self.length :]
        return largest
