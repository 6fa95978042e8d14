"""The variational bound of a Gaussian diffusion in discrete time, and the loss of EDM.

Sources: Kingma et al., "Variational diffusion models", 2021; Hoogeboom et al., "Equivariant
diffusion for molecule generation in 3D", 2022, section 3 and appendix A.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.objectives.atom_features import AtomFeatures
from ldm.objectives.objective import first_features
from ldm.objectives.regression import Regression
from ldm.processes import GaussianDiffusion, Process
from ldm.randomness import Generators, uniform

__all__ = ["VariationalBound"]

Condition = dict[str, Tensor]
Predict = Callable[..., Tensor]


class VariationalBound(Regression):
    """Negative log likelihood in nats, at most: terms of noise prediction at all times.

    With gamma = log(sigma^2 / alpha^2), a network that predicts eps, and times 0 to T, the bound is

        KL(q(z_T | x) || N(0, I)) + E_t T/2 (exp(gamma_t - gamma_{t-1}) - 1) |eps - eps_t|^2
            - E log p(x | z_0)

    and is estimated at one time of 0 to T. `l2` is the loss by which EDM and GeoLDM are trained: it
    divides all squared errors by the number of entries in place of their weights, those at time 0
    too, and has no first term; the probability of discrete features stays a sum, as published.

    Args:
        weighting: `vlb` for the bound, `l2` for the loss that the weights are taken from.
        discrete: features whose values p(x | z_0) gives probabilities; None for none.
        padded: average squared errors over the places of the batch's largest sample instead of a
            sample's own, so that samples count by their numbers of points, as published.

    Raises:
        ValueError: there is no such weighting.
    """

    has_bound = True

    def __init__(
        self,
        weighting: str = "vlb",
        discrete: AtomFeatures | None = None,
        padded: bool = False,
    ) -> None:
        super().__init__("eps")
        if weighting not in ("l2", "vlb"):
            raise ValueError(f"no weighting {weighting!r}: choose one of l2, vlb")
        self.weighting, self.discrete, self.padded = weighting, discrete, padded
        self.bounds = weighting == "vlb"

    def check(self, process: Process) -> None:
        """Refuse, besides, processes without discrete times, or too noisy to read features."""
        if not isinstance(process, GaussianDiffusion):
            raise ValueError(
                f"a {type(process).__name__} has no steps: bound the likelihood of a "
                f"GaussianDiffusion, or train with ldm.objectives.Regression"
            )
        super().check(process)
        if self.discrete is not None and not process.learned:
            self.discrete.check((1 - process.alpha_bar[0]).sqrt().item())

    def loss(
        self,
        predict: Predict,
        process: GaussianDiffusion,
        latent: Float[Tensor, "n ..."],
        condition: Condition,
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        t = process.random_times(len(latent), generator, latent.device)
        first, told, later = self._terms(predict, process, latent, condition, t, generator)
        if self.weighting == "l2":
            entries = self._entries(process)
            return torch.where(t == 0, first / 2 / entries - told, later / 2 / entries)
        start = first / 2 - told + self._constant(process, t)
        terms = torch.where(t == 0, start, self._weight(process, t) * later)
        return process.steps * terms + prior_divergence(process, latent)

    def bound(
        self,
        predict: Predict,
        process: GaussianDiffusion,
        latent: Float[Tensor, "n ..."],
        condition: Condition,
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        """An unbiased estimate of the bound, in nats, from one later time and time 0."""
        last = process.steps - 1
        u = uniform((len(latent),), generator, latent.device)
        times = 1 + (last * u).long().clamp(max=last - 1)
        zero = torch.zeros_like(times)
        later = self._terms(predict, process, latent, condition, times, generator)[2]
        first, told, _ = self._terms(predict, process, latent, condition, zero, generator)
        start = first / 2 - told + self._constant(process, zero)
        weighted = last * self._weight(process, times) * later
        return weighted + start + prior_divergence(process, latent)

    def _terms(
        self,
        predict: Predict,
        process: GaussianDiffusion,
        latent: Tensor,
        condition: Condition,
        t: Tensor,
        generator: Generators,
    ) -> tuple[Tensor, Tensor | float, Tensor]:
        """Squared error of the noise of continuous features, log p of discrete ones if t is 0.

        The third is the squared error of the noise of all features.
        """
        space = process.space
        eps = space.random(len(latent), generator, latent.device, latent.dtype)
        noisy = process.mix(latent, eps, t)
        error = first_features(predict(noisy, t, **condition), process, noisy) - eps
        squares = space.inner(noisy, error, error)
        sigma = process.alpha_sigma(torch.zeros_like(t))[1]
        found = 0.0
        if self.discrete is not None:
            found = self.discrete.log_prob(latent, noisy, sigma, condition)
            error = error[..., : self.discrete.first]
        return error.square().flatten(1).sum(1), found, squares

    def _constant(self, process: GaussianDiffusion, t: Tensor) -> Float[Tensor, " n"]:
        """Constant of minus log p(x | z_0): the normalisation of its normal distribution."""
        space, discrete = process.space, 0
        if self.discrete is not None:
            features = space.shape[space.feature_axis]
            discrete = (features - self.discrete.first) * space.entries // features
        nats = gamma(process, t) + math.log(2 * math.pi)
        return (space.directions - discrete) * nats / 2

    def _entries(self, process: GaussianDiffusion) -> int | Tensor:
        entries = process.space.entries
        return entries.max() if self.padded and isinstance(entries, Tensor) else entries

    def _weight(self, process: GaussianDiffusion, t: Tensor) -> Float[Tensor, " n"]:
        before = gamma(process, (t - 1).clamp(min=0))
        return torch.expm1(gamma(process, t) - before) / 2


def gamma(process: GaussianDiffusion, t: Tensor) -> Float[Tensor, " n"]:
    """`log(sigma^2 / alpha^2)`."""
    return 2 * process.noise_level(t).log()


def prior_divergence(
    process: GaussianDiffusion, latent: Float[Tensor, "n ..."]
) -> Float[Tensor, " n"]:
    """KL of latents with the last noise from the base distribution, nats."""
    last = torch.full((len(latent),), process.steps - 1, device=latent.device)
    alpha, sigma = process.alpha_sigma(last)
    squares = process.space.inner(latent, latent, latent)
    spread = sigma.square() - 1 - 2 * sigma.log()
    return (alpha.square() * squares + process.space.directions * spread) / 2
