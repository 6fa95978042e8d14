"""How a prior is turned into latents."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes import Prediction, Process
from ldm.randomness import Generators
from ldm.spaces import Space

__all__ = ["Denoise", "Sampler", "Unsolved", "refuse_nan"]


class Unsolved(RuntimeError):
    """A sampler or a likelihood came to no number; the message says which, and what to do."""


def refuse_nan(name: str, values: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
    """The values, if all of them are numbers.

    Raises:
        Unsolved: some are NaN; says how many.
    """
    wrong = int(values.unsqueeze(1).flatten(1).isnan().any(1).sum())
    if wrong:
        raise Unsolved(
            f"{name} came to NaN for {wrong} of {len(values)} points: the network says NaN or "
            f"infinity on the way; take more steps, else train with a lower learning rate or "
            f"trainer.precision=32-true"
        )
    return values


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
        """Draw `n` latents.

        Raises:
            Unsolved: an adaptive solver gave up.
        """
