"""The walk along a prior's process, from noise to latents or back."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from ldm.processes import Prediction, Process
from ldm.randomness import Generators

__all__ = ["Denoise", "Sampler", "Span", "Unsolved", "refuse_nan", "refuse_reversal", "to_data"]


class Unsolved(RuntimeError):
    """A sampler or a likelihood found no finite number; the message tells which, and the remedy."""


def refuse_nan(name: str, values: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
    """The values, if all of them are numbers.

    Raises:
        Unsolved: some are NaN; the message counts them.
    """
    wrong = int(values.unsqueeze(1).flatten(1).isnan().any(1).sum())
    if wrong:
        raise Unsolved(
            f"{name} came to NaN for {wrong} of {len(values)} points: the network predicts NaN or "
            f"infinity on the way; take more steps, else train with a lower learning rate or "
            f"trainer.precision=32-true"
        )
    return values


Span = tuple[float, float]
"""The first and the last time of a walk, in the unit of the process."""

Denoise = Callable[[Tensor, Tensor, dict[str, Tensor]], Prediction]
"""`denoise(noisy, t, condition)`: a prior's prediction from noisy latents, guided or not."""


class Sampler(ABC):
    """Carries points through time along a process: by default from noise to data.

    All randomness comes from `generator`; with one generator a sample, no sample depends on which
    others are drawn beside it.
    """

    def __call__(
        self,
        denoise: Denoise,
        process: Process,
        x: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
        span: Span | None = None,
    ) -> Float[Tensor, "n ..."]:
        """Points at the last time of a span, from given points `x` at its first time.

        Args:
            denoise: the prior's prediction, guided or not.
            process: bound to these samples; points lie in its space.
            x: a draw of the base distribution for the whole span, noised latents for a span that
                begins in the middle, latents for a reversed one.
            condition: what `denoise` reads beside points and times.
            generator: source of the noise that a stochastic sampler adds.
            span: first and last time, in the process's own unit; None for `process.span`, from
                noise to data. Reversed, it is inversion.

        Raises:
            ValueError: the span leaves the process's, or this sampler cannot walk it.
            Unsolved: an adaptive solver gave up.
        """
        start, end = process.span if span is None else span
        low, high = sorted(process.span)
        if not (low <= start <= high and low <= end <= high):
            raise ValueError(
                f"a span must stay between times {low} and {high} of the "
                f"{type(process).__name__}, got {start} to {end}"
            )
        if start == end:
            return x
        return self.walk(denoise, process, x, condition, generator, (start, end))

    @abstractmethod
    def walk(
        self,
        denoise: Denoise,
        process: Process,
        x: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators,
        span: Span,
    ) -> Float[Tensor, "n ..."]:
        """Carry points along a span that has been checked and is not empty."""


def to_data(process: Process, span: Span) -> bool:
    """True if a span runs from noise to data, as sampling does."""
    return (span[1] - span[0]) * (process.span[1] - process.span[0]) > 0


def refuse_reversal(process: Process, span: Span) -> None:
    """Refuse a span from data to noise, which a random walk cannot take.

    Raises:
        ValueError: it is one.
    """
    if not to_data(process, span):
        raise ValueError(
            f"a random walk cannot be reversed, and {span[0]} to {span[1]} runs from data to "
            f"noise: invert with HeunODE or AdaptiveODE, where the process has a flow"
        )
