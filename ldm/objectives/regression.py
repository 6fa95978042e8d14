"""Regression on a linear combination of the clean latent and the noise.

With `x_t = alpha x_0 + sigma eps`, a network may be asked for any `a x_0 + b eps`: eps is (0, 1),
x0 is (1, 0), v is (-sigma, alpha) (Salimans and Ho 2022), the score is (0, -1 / sigma) (Song et al.
2021), the velocity of a flow is the time derivative of (alpha, sigma) (Lipman et al. 2023). One
2-by-2 system leads back from all of them.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ldm.objectives.alignment import Alignment
from ldm.objectives.objective import Objective, first_features
from ldm.objectives.weightings import WEIGHTINGS
from ldm.processes import Denoised, GaussianProcess, Process
from ldm.randomness import Generators
from ldm.spaces import Flat
from ldm.tensors import like

__all__ = ["Regression"]


def _eps(process, t, alpha, sigma):
    return torch.zeros_like(alpha), torch.ones_like(alpha)


def _x0(process, t, alpha, sigma):
    return torch.ones_like(alpha), torch.zeros_like(alpha)


def _v(process, t, alpha, sigma):
    return -sigma, alpha


def _score(process, t, alpha, sigma):
    return torch.zeros_like(alpha), -1 / sigma


def _velocity(process, t, alpha, sigma):
    return process.alpha_sigma_rate(t)


TARGETS = {"eps": _eps, "x0": _x0, "v": _v, "score": _score, "velocity": _velocity}


OF_NOISE = ("eps", "score")
"""Targets whose errors are of noise, up to sigma."""


class Regression(Objective):
    """Mean squared error on `eps`, `x0`, `v`, `score` or `velocity`, over a latent's entries.

    The error of a score is multiplied by sigma, which makes it one of noise.

    A backbone with more output features than the latent has (DiT predicts variances, too) is fitted
    on the first ones; the rest are left free, as SiT does. What an output has outside of the space,
    as in padding, counts for nothing.

    Args:
        target: what the network predicts.
        coupling: pairs each latent with noise of the same law; None for independent noise.
        weighting: of errors of noise or the score over time, SiT's `velocity` or `likelihood`;
            None for 1.
        direction: factor of a second loss, `1 - cos` of the angle between the output's channels and
            the target's, averaged over places (Yao et al. 2025, LightningDiT).
        absolute: fit the mean absolute error in place of the squared one.

    Raises:
        ValueError: no target or weighting has that name, or a weighting is of another target.

    Example:
        >>> Regression("v").target
        'v'
    """

    prediction = Denoised

    bounds: bool = False
    """True if the loss bounds a likelihood, so that it can teach a process, too."""

    def __init__(
        self,
        target: str = "eps",
        coupling: Alignment | None = None,
        weighting: str | None = None,
        direction: float = 0.0,
        absolute: bool = False,
    ) -> None:
        if target not in TARGETS:
            raise ValueError(f"no target {target!r}: choose one of {', '.join(TARGETS)}")
        if weighting is not None and (weighting not in WEIGHTINGS or target not in OF_NOISE):
            raise ValueError(
                f"weightings are {', '.join(WEIGHTINGS)}, of the targets {', '.join(OF_NOISE)}: "
                f"got {weighting!r} of {target!r}"
            )
        self.target, self.coupling = target, coupling
        self.weight, self.direction = WEIGHTINGS.get(weighting or ""), direction
        self.absolute = absolute

    def check(self, process: Process) -> None:
        """Refuse, besides, a target from which x0 cannot be recovered where sampling starts.

        That is eps at pure noise; a coupling that is not for the space; and a learned process,
        where the loss bounds nothing.
        """
        super().check(process)
        if process.learned and not self.bounds:
            raise ValueError(
                f"a {type(process).__name__} is learned by the variational bound alone: set the "
                f"objective to ldm.objectives.VariationalBound with weighting=vlb"
            )
        if self.coupling is not None:
            self.coupling.check(process.space)
        if self.direction and type(process.space) is not Flat:
            raise ValueError(f"directions are compared on a grid, not in {process.space}")
        if self.weight is not None:
            process.noising_rate(torch.full((1,), 0.5, device="cpu"))
        start = torch.full((1,), process.span[0], device="cpu")  # where models are meta, too
        alpha, sigma, a, b = self._mixture(process, start)
        if (alpha * b - sigma * a).item() == 0:
            raise ValueError(
                f"x0 cannot be recovered from {self.target} at pure noise, where sampling a "
                f"{type(process).__name__} starts: choose the target velocity or v, or set "
                f"prior.process.sample_eps=1e-3 and train_eps=1e-3"
            )

    def loss(
        self,
        predict: Callable[..., Tensor],
        process: GaussianProcess,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> Float[Tensor, " n"]:
        t = process.random_times(len(latent), generator, latent.device)
        space = process.space
        eps = space.random(len(latent), generator, latent.device, latent.dtype)
        if self.coupling is not None:
            eps = self.coupling(space, latent, eps)
        noisy = process.mix(latent, eps, t)
        output = predict(noisy, t, **condition)
        return self.squared_error(output, process, latent, eps, noisy, t)

    def squared_error(
        self,
        output: Tensor,
        process: GaussianProcess,
        latent: Float[Tensor, "n ..."],
        eps: Float[Tensor, "n ..."],
        noisy: Float[Tensor, "n ..."],
        t: Tensor,
    ) -> Float[Tensor, " n"]:
        """Mean squared error of the network's output on latents mixed with noise `eps`.

        It is the mean absolute error if so configured.
        """
        output = first_features(output, process, noisy)
        _, sigma, a, b = self._mixture(process, t)
        target = like(a, latent) * latent + like(b, latent) * eps
        error = output - target
        size = error.sign() if self.absolute else error
        loss = process.space.inner(noisy, error, size) / process.space.entries
        if self.target == "score":
            loss = loss * sigma.square()
        if self.weight is not None:
            loss = loss * self.weight(process, t)
        if self.direction:
            cosine = F.cosine_similarity(output, target, dim=1)
            loss = loss + self.direction * (1 - cosine).flatten(1).mean(1)
        return loss

    def read(
        self, output: Tensor, process: GaussianProcess, noisy: Float[Tensor, "n ..."], t: Tensor
    ) -> Denoised:
        output = first_features(output, process, noisy)
        alpha, sigma, a, b = (like(scale, noisy) for scale in self._mixture(process, t))
        determinant = alpha * b - sigma * a
        return Denoised(
            x0=(b * noisy - sigma * output) / determinant,
            eps=(alpha * output - a * noisy) / determinant,
        )

    def _mixture(self, process, t):
        alpha, sigma = process.alpha_sigma(t)
        return alpha, sigma, *TARGETS[self.target](process, t, alpha, sigma)
