"""Losses that fit a network to a process, and the meaning of its output."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from ldm.processes import Prediction, Process
from ldm.randomness import Generators

__all__ = ["Objective", "first_features", "tangent_field"]


class Objective(ABC):
    """A loss for one kind of network output, and the way from that output to a `Prediction`."""

    prediction: type[Prediction]
    """The prediction made of the output; it must be the one that the process needs."""

    def check(self, process: Process) -> None:
        """Refuse a process that this objective cannot teach.

        Raises:
            ValueError: the process asks for another prediction.
        """
        if self.prediction is not process.prediction:
            raise ValueError(
                f"{type(process).__name__} asks for a {process.prediction.__name__}, but "
                f"{type(self).__name__} teaches a {self.prediction.__name__}: choose an objective "
                f"for that process"
            )

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

    has_bound: bool = False
    """True if `bound` estimates one."""

    def bound(
        self,
        predict: Callable[..., Tensor],
        process: Process,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        """An estimate of an upper bound of the negative log likelihood, in nats.

        Raises:
            ValueError: the objective bounds none.
        """
        raise ValueError(f"{type(self).__name__} does not bound a likelihood")

    @abstractmethod
    def read(
        self, output: Tensor, process: Process, noisy: Float[Tensor, "n ..."], t: Tensor
    ) -> Prediction:
        """The prediction that the network's output on `noisy` at times `t` amounts to."""


def first_features(
    output: Tensor, process: Process, noisy: Float[Tensor, "n ..."]
) -> Float[Tensor, "n ..."]:
    """The first features of a network's output, as many as points have, made tangent.

    Raises:
        ValueError: it is not shaped like the points in what is left.
    """
    axis = 1 + process.space.feature_axis
    if output.ndim == noisy.ndim and output.shape[axis] > noisy.shape[axis]:
        output = output.narrow(axis, 0, noisy.shape[axis])
    return tangent_field(output, process, noisy)


def tangent_field(
    output: Tensor, process: Process, noisy: Float[Tensor, "n ..."]
) -> Float[Tensor, "n ..."]:
    """A network's output, made tangent at the points it was given.

    Raises:
        ValueError: it is not shaped like them.
    """
    if output.shape != noisy.shape:
        raise ValueError(
            f"the network gives {tuple(output.shape[1:])} for points of {tuple(noisy.shape[1:])} "
            f"in {process.space}: it must give one ambient vector of the points' shape"
        )
    return process.space.tangent(noisy, output.to(noisy.dtype))
