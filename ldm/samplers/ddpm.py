"""DDPM: ancestral sampling of a Gaussian diffusion, with fixed or learned variances.

Sources: Ho et al., "Denoising Diffusion Probabilistic Models", 2020, section 3.2; Nichol and
Dhariwal, "Improved Denoising Diffusion Probabilistic Models", 2021, sections 3.1 and 4 (learned
variances, and fewer steps than in training).
"""

import math

from jaxtyping import Float
from torch import Tensor

from ldm.processes import DenoisedVariance, Prediction, Process
from ldm.randomness import Generators
from ldm.samplers.respaced import Respaced
from ldm.samplers.sampler import Denoise, Span

__all__ = ["DDPM"]


class DDPM(Respaced):
    """Draws from the posterior q(x_s | x_t, x_0) with the predicted x_0, s the next time.

    Its standard deviation is that which the network predicts, where it does, else a fixed one. The
    last step adds no noise.

    Args:
        steps, spacing, offset, clip, quantile: see `Respaced`.
        variance: the fixed one, `small` (the posterior's) or `large` (that which the forward
            process adds).
        final_noise: end with a draw of p(x | z_0), which has the noise of time 0 around the last
            prediction, instead of with its mean (Hoogeboom et al. 2022, appendix B).

    Raises:
        ValueError: there is no such variance; on a call, the span runs from data to noise.
    """

    def __init__(
        self,
        steps: int,
        spacing: str = "trailing",
        offset: int = 0,
        variance: str = "small",
        final_noise: bool = False,
        clip: float | None = None,
        quantile: float | None = None,
    ) -> None:
        super().__init__(steps, spacing, offset, clip, quantile)
        if variance not in ("small", "large"):
            raise ValueError(f"no variance {variance!r}: choose one of small, large")
        self.variance, self.final_noise = variance, final_noise

    def step(
        self, found: Prediction, signal: float, after: float
    ) -> tuple[Float[Tensor, "n ..."], Float[Tensor, "n ..."] | float]:
        beta, noise = 1 - signal / after, 1 - after
        posterior = beta * noise / (1 - signal)
        kept = noise * math.sqrt(signal / (after * (1 - signal)))
        mean = math.sqrt(after) * found.x0 + kept * found.eps
        if posterior == 0:
            return mean, 0.0
        if isinstance(found, DenoisedVariance):
            log_variance = found.share * math.log(beta) + (1 - found.share) * math.log(posterior)
            return mean, (log_variance / 2).exp()
        return mean, math.sqrt(posterior if self.variance == "small" else beta)

    def walk(
        self,
        denoise: Denoise,
        process: Process,
        x: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators,
        span: Span,
    ) -> Float[Tensor, "n ..."]:
        x = super().walk(denoise, process, x, condition, generator, span)
        if not self.final_noise:
            return x
        level = math.sqrt(1 / process.alpha_bar[0].item() - 1)
        return x + level * process.space.random(len(x), generator, x.device, x.dtype)
