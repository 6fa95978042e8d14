"""How a network is fitted to a process, and what its output means."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from ldm.processes import Prediction, Process
from ldm.randomness import Generators

__all__ = ["Objective"]


class Objective(ABC):
    """A loss for one kind of network output, and the way from that output to a `Prediction`."""

    prediction: type[Prediction]
    """What the output is turned into; it must be what the process asks for."""

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
    def read(
        self, output: Tensor, process: Process, noisy: Float[Tensor, "n ..."], t: Tensor
    ) -> Prediction:
        """What the network's output on `noisy` at times `t` says."""
