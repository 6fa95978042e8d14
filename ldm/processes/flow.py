"""Flows between noise and data along paths of fixed shape, the stochastic interpolants of SiT.

Sources: Lipman et al. 2023; Ma et al., "SiT: Exploring flow and diffusion-based generative models
with scalable interpolant transformers", 2024, whose code's convention of time this is: 0 is noise
and 1 is data, and the backbone reads t itself, not a thousand times t.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes.process import GaussianProcess
from ldm.processes.times import LogitNormal
from ldm.randomness import Generators, uniform
from ldm.spaces import Space

__all__ = ["Interpolant", "LinearFlow", "TrigonometricFlow", "VariancePreservingFlow"]


class Interpolant(GaussianProcess):
    """`x_t = alpha x_1 + sigma eps` with velocity `alpha' x_1 + sigma' eps`, t from 0 to 1.

    Args:
        space: of the latents.
        times: distribution of training times; None for uniform ones.
        train_eps: training times are scaled to stay so far from 0 and 1.
        sample_eps: sampling starts and stops so far from 0 and 1. A network that predicts noise or
            the score needs some.

    Raises:
        ValueError: sums of the space's points are no points of it, or a margin is not between 0
            and 1/2.
    """

    def __init__(
        self,
        space: Space,
        times: LogitNormal | None = None,
        train_eps: float = 0.0,
        sample_eps: float = 0.0,
    ) -> None:
        super().__init__(space)
        if not (0 <= train_eps < 0.5 and 0 <= sample_eps < 0.5):
            raise ValueError(
                f"train_eps and sample_eps must be from 0 to below 0.5, got {train_eps} and "
                f"{sample_eps}"
            )
        self.times, self.train_eps = times, train_eps
        self.span = (sample_eps, 1 - sample_eps)

    def random_times(self, n: int, generator: Generators, device) -> Float[Tensor, " n"]:
        if self.times is None:
            t = uniform((n,), generator, device)
        else:
            t = self.times(n, generator, device)
        return self.train_eps + (1 - 2 * self.train_eps) * t


class LinearFlow(Interpolant):
    """Straight lines: `alpha = t`, `sigma = 1 - t`, velocity `x_1 - eps`.

    Example:
        >>> from ldm.spaces import Flat
        >>> LinearFlow(Flat([2])).alpha_sigma(torch.tensor([0.25]))
        (tensor([0.2500]), tensor([0.7500]))
    """

    def alpha_sigma(self, t: Tensor) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        return t, 1 - t

    def alpha_sigma_rate(self, t: Tensor) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        return torch.ones_like(t), -torch.ones_like(t)


class TrigonometricFlow(Interpolant):
    """SiT's GVP: `alpha = sin(pi t / 2)`, `sigma = cos(pi t / 2)`, which keep unit variance."""

    def alpha_sigma(self, t: Tensor) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        return torch.sin(math.pi / 2 * t), torch.cos(math.pi / 2 * t)

    def alpha_sigma_rate(self, t: Tensor) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        alpha, sigma = self.alpha_sigma(t)
        return math.pi / 2 * sigma, -math.pi / 2 * alpha


class VariancePreservingFlow(Interpolant):
    """SiT's VP: the diffusion of linear beta in continuous time, run from noise.

    `alpha = exp(-1/4 (1 - t)^2 (end - start) - 1/2 (1 - t) start)`, `sigma = sqrt(1 - alpha^2)`.
    The rate of sigma is infinite at data, so sampling has to stop before.

    Args:
        space, times, train_eps, sample_eps: see `Interpolant`.
        start: beta at data.
        end: beta at noise.

    Example:
        >>> from ldm.spaces import Flat
        >>> VariancePreservingFlow(Flat([2])).alpha_sigma(torch.tensor([0.5]))[0]
        tensor([0.2812])
    """

    def __init__(
        self,
        space: Space,
        times: LogitNormal | None = None,
        train_eps: float = 1e-5,
        sample_eps: float = 1e-3,
        start: float = 0.1,
        end: float = 20.0,
    ) -> None:
        super().__init__(space, times, train_eps, sample_eps)
        self.start, self.end = start, end

    def alpha_sigma(self, t: Tensor) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        log = self._log_alpha(t)
        return log.exp(), (-torch.expm1(2 * log)).sqrt()

    def alpha_sigma_rate(self, t: Tensor) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        alpha, sigma = self.alpha_sigma(t)
        rate = alpha * ((1 - t) * (self.end - self.start) + self.start) / 2
        return rate, -alpha * rate / sigma

    def _log_alpha(self, t: Tensor) -> Float[Tensor, " n"]:
        rest = 1 - t
        return -rest.square() * (self.end - self.start) / 4 - rest * self.start / 2
