"""Processes that noise latents, and the rates by which samplers undo them."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes.predictions import Denoised, Prediction
from ldm.randomness import Generators
from ldm.spaces import Space
from ldm.tensors import like

__all__ = ["GaussianProcess", "Process"]


class Process(ABC):
    """A family of distributions on one space, from that of data to a base distribution.

    Rates are per unit of the process's own time, whichever way it runs: a step of a sampler from
    time t to t' moves by `(t' - t) * velocity`.

    Args:
        space: where the latents live; it must be the tokenizer's.
    """

    prediction: type[Prediction]
    """The prediction that the methods below need."""

    learned: bool = False
    """True if the process has parameters, which the variational bound alone can teach."""

    span: tuple[float, float] = (0.0, 1.0)
    """Times at which a sampler starts, from the base distribution, and stops, at data."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def on(self, context: Mapping[str, Tensor]) -> "Process":
        """The process on the space's view for these samples: itself where the space is its own."""
        space = self.space.on(context)
        return self if space is self.space else self._bound(space)

    def _bound(self, space: Space) -> "Process":
        """A copy on a view of the space; overridden where more is made from the space."""
        view = copy.copy(self)
        view.space = space
        return view

    def time_at(self, share: float) -> float:
        """The time at a share of the way from data to the base distribution."""
        start, end = self.span
        return end + share * (start - end)

    def brief(self) -> "Process":
        """A copy that simulates in as few steps as it can: to try parts out, not to train."""
        return self

    @abstractmethod
    def random_times(self, n: int, generator: Generators, device) -> Tensor:
        """Times `(n,)` to train at, in the unit that the backbone reads."""

    @abstractmethod
    def noise(
        self, latent: Float[Tensor, "n ..."], t: Tensor, generator: Generators = None
    ) -> Float[Tensor, "n ..."]:
        """Draw from the forward transition of each latent to its time."""

    @abstractmethod
    def noise_level(self, t: Tensor) -> Float[Tensor, " n"]:
        """The noise level: sigma/alpha, or a standard deviation in the units of the space."""

    @abstractmethod
    def velocity(
        self, prediction: Prediction, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        """`dx/dt` of the flow whose distributions are those of the process.

        Raises:
            ValueError: the process runs in discrete steps and has none.
        """

    def drift(
        self, prediction: Prediction, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        """Drift of the random walk to data; with no diffusion, that of the flow."""
        return self.velocity(prediction, x, t)

    def diffusion(self, t: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Standard deviation that the random walk to data accumulates, per square root of time."""
        return torch.zeros_like(t)

    def score(
        self, prediction: Prediction, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        """The gradient of the log density at time `t`.

        Raises:
            ValueError: it does not follow from the prediction.
        """
        raise ValueError(f"a {type(self).__name__} has no score: sample without a corrector")

    def towards(
        self, latent: Float[Tensor, "n ..."], x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Prediction:
        """The prediction at `x` that is exact if `latent` is known to be the datum.

        Raises:
            ValueError: it does not follow from the point and the datum alone.
        """
        raise ValueError(f"a {type(self).__name__} cannot be led to data that are known")

    def random(
        self,
        n: int,
        generator: Generators = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Float[Tensor, "n ..."]:
        """Draw from the base distribution: the space's reference measure, unless overridden."""
        return self.space.random(n, generator, device, dtype)

    def log_density(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Log density of the base distribution, nats."""
        return self.space.log_density(x)


class GaussianProcess(Process):
    """Processes with `x_t = alpha_t x_0 + sigma_t eps` and `eps` standard normal in the space.

    Raises:
        ValueError: sums of the space's points are no points of it.
    """

    prediction = Denoised

    def __init__(self, space: Space) -> None:
        if not space.linear:
            raise ValueError(
                f"{type(self).__name__} adds noise to points, which would leave {space}: choose a "
                f"process of that space, or latents in a flat one"
            )
        super().__init__(space)

    @abstractmethod
    def alpha_sigma(self, t: Tensor) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """Signal and noise scale at each time."""

    def alpha_sigma_rate(self, t: Tensor) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """Time derivatives of `alpha_sigma`, of a flow.

        Raises:
            ValueError: the process runs in discrete steps and has none.
        """
        raise ValueError(
            f"{type(self).__name__} has no velocity: predict eps, x0 or v and sample with DDIM or "
            f"another sampler of discrete times, or set the process to a flow"
        )

    def noising_rate(self, t: Tensor) -> Float[Tensor, " n"]:
        """Half of the variance that a flow, run from data, adds per unit of time as a diffusion.

        It is SiT's lambda, `alpha' / alpha sigma^2 - sigma sigma'`; infinite where there is no
        signal.

        Raises:
            ValueError: the process runs in discrete steps.
        """
        (alpha, sigma), (alpha_rate, sigma_rate) = self.alpha_sigma(t), self.alpha_sigma_rate(t)
        return alpha_rate / alpha * sigma.square() - sigma * sigma_rate

    def mix(
        self, latent: Float[Tensor, "n ..."], eps: Float[Tensor, "n ..."], t: Tensor
    ) -> Float[Tensor, "n ..."]:
        """`alpha_t latent + sigma_t eps`."""
        alpha, sigma = (like(scale, latent) for scale in self.alpha_sigma(t))
        return alpha * latent + sigma * eps

    def noise(
        self, latent: Float[Tensor, "n ..."], t: Tensor, generator: Generators = None
    ) -> Float[Tensor, "n ..."]:
        eps = self.space.random(len(latent), generator, latent.device, latent.dtype)
        return self.mix(latent, eps, t)

    def towards(
        self, latent: Float[Tensor, "n ..."], x: Float[Tensor, "n ..."], t: Tensor
    ) -> Denoised:
        alpha, sigma = (like(scale, x) for scale in self.alpha_sigma(t))
        # Where no noise is left, what is left of the way is none.
        eps = torch.where(sigma > 0, (x - alpha * latent) / sigma, 0)
        return Denoised(latent.expand_as(x), eps)

    def noise_level(self, t: Tensor) -> Float[Tensor, " n"]:
        """Infinite where a flow begins."""
        alpha, sigma = self.alpha_sigma(t)
        return sigma / alpha

    def velocity(
        self, prediction: Denoised, x: Float[Tensor, "n ..."], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n ..."]:
        alpha_rate, sigma_rate = (like(rate, x) for rate in self.alpha_sigma_rate(t))
        return alpha_rate * prediction.x0 + sigma_rate * prediction.eps

    def score(
        self, prediction: Denoised, x: Float[Tensor, "n ..."], t: Tensor
    ) -> Float[Tensor, "n ..."]:
        return -prediction.eps / like(self.alpha_sigma(t)[1], x)
