"""A sampler of the first window of a clip, and another of those that follow.

Source: Yu et al., "Video Probabilistic Diffusion Models in Projected Latent Space", 2023, whose
"100/20-s" is 100 steps for the first window, and 20 for each that follows.
"""

from jaxtyping import Float
from torch import Tensor

from ldm.processes import Process
from ldm.randomness import Generators
from ldm.samplers.sampler import Denoise, Sampler, Span

__all__ = ["PerWindow"]


class PerWindow(Sampler):
    """Walks with `first`; a prior of successive windows takes `following` for all but the first.

    Args:
        first: of the first window, or of all there is.
        following: of the windows that are told the one before.
    """

    def __init__(self, first: Sampler, following: Sampler) -> None:
        self.first, self.following = first, following

    def walk(
        self,
        denoise: Denoise,
        process: Process,
        x: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators,
        span: Span,
    ) -> Float[Tensor, "n ..."]:
        return self.first.walk(denoise, process, x, condition, generator, span)
