"""How a network is fitted to a process, and what its output means."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from ldm.processes import Process
from ldm.randomness import Generators

__all__ = ["Denoised", "Objective"]


class Denoised(NamedTuple):
    """What a network says of noisy latents, in the two forms that determine all others.

    Attributes:
        x0: the clean latent, in expectation.
        eps: the noise, in expectation; the score is `-eps / sigma`.
    """

    x0: Float[Tensor, "n ..."]
    eps: Float[Tensor, "n ..."]


class Objective(ABC):
    """A loss for one kind of network output, and the way back from output to `Denoised`."""

    @abstractmethod
    def loss(
        self,
        predict: Callable[..., Tensor],
        process: Process,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        """One loss a sample; `predict(noisy, t, **condition)` is the network."""

    @abstractmethod
    def denoised(
        self, output: Tensor, process: Process, noisy: Float[Tensor, "n ..."], t: Tensor
    ) -> Denoised:
        """What the network's output on `noisy` at times `t` says of the clean latent."""
