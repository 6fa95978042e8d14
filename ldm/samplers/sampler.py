"""How a prior is turned into latents."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes import Prediction, Process
from ldm.randomness import Generators
from ldm.spaces import Space

__all__ = ["Denoise", "Sampler"]

Denoise = Callable[[Tensor, Tensor, dict[str, Tensor]], Prediction]
"""`denoise(noisy, t, condition)`: a prior's view of noisy latents, guided or not."""


class Sampler(ABC):
    """A walk from the process's easy law to its data law.

    All randomness comes from `generator`; with one generator a sample, no sample depends on which
    others are drawn beside it.
    """

    @abstractmethod
    def __call__(
        self,
        denoise: Denoise,
        process: Process,
        space: Space,
        n: int,
        condition: dict[str, Tensor],
        generator: Generators = None,
        device: torch.device | str | None = None,
    ) -> Float[Tensor, "n ..."]:
        """Draw `n` latents."""
