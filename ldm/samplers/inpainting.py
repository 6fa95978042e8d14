"""Sampling of the rest of a point of which a part is known, with any sampler.

Sources: Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential
Equations", appendix I.2 (replacement); Lugmayr et al. 2022, "RePaint" (resampling).
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ldm.processes import Prediction, Process, combined
from ldm.randomness import Generators
from ldm.samplers.sampler import Denoise, Sampler, Span, refuse_reversal

__all__ = ["Inpainting"]


class Inpainting(Sampler):
    """Walks with a sampler whose prediction is exact for the known part of every point.

    The known part then goes to its data as the process comes from there: at every step it is a draw
    of the forward process, as replacement has it, whatever the sampler. In a set of points of
    zero centre of mass the known ones move together with that of the others.

    Replacement alone is biased: early steps do not know what the known part will be. A resampling
    noises the sample again, part of the way, and walks back. RePaint does so between steps; here
    every walk ends at data, as all samplers can, and what it is noised to falls from `strength` to
    nothing, so that in the limit of many the distribution is the conditional one. An adaptive
    solver takes ten times as many steps as it does otherwise: a path to known data is stiff.

    Args:
        sampler: the walk.
        known: points with the known part, `(n, *shape)`.
        kept: which entries are known, of a shape that broadcasts to `known`.
        resamplings: how often the sample is noised again.
        strength: share of the way to noise that the first of them goes, in (0, 1].

    Raises:
        ValueError: the numbers are out of range; on a call, the process or its space cannot keep
            a part of a point, or the span runs from data to noise.
    """

    def __init__(
        self,
        sampler: Sampler,
        known: Float[Tensor, "n ..."],
        kept: Bool[Tensor, "_ ..."],
        resamplings: int = 10,
        strength: float = 0.5,
    ) -> None:
        if resamplings < 0 or not 0 < strength <= 1:
            raise ValueError(
                f"inpainting needs 0 resamplings or more and a strength in (0, 1], got "
                f"{resamplings} and {strength}"
            )
        self.sampler, self.known, self.kept = sampler, known, kept
        self.resamplings, self.strength = resamplings, strength

    def walk(
        self,
        denoise: Denoise,
        process: Process,
        x: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators,
        span: Span,
    ) -> Float[Tensor, "n ..."]:
        refuse_reversal(process, span)
        space, end = process.space, process.span[1]

        def led(x: Tensor, t: Tensor, condition: dict[str, Tensor]) -> Prediction:
            found, exact = denoise(x, t, condition), process.towards(self.known, x, t)
            return combined(found, exact, lambda one, other: space.replace(one, other, self.kept))

        x = self.sampler(led, process, x, condition, generator, span)
        if span[1] != end:
            return x
        x = space.replace(x, self.known, self.kept)
        for number in range(self.resamplings):
            time = process.time_at(self.strength * (1 - number / self.resamplings))
            times = torch.full((len(x),), time, device=x.device)
            x = process.noise(x, times, generator)
            x = self.sampler(led, process, x, condition, generator, (time, end))
            x = space.replace(x, self.known, self.kept)
        return x
