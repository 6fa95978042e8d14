"""The diagonal Gaussian posterior of variational autoencoders.

Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2014; sums and clamps as in Rombach
et al., "High-Resolution Image Synthesis with Latent Diffusion Models", 2022.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.bottlenecks.bottleneck import Encoded, Variational
from ldm.bottlenecks.features import full_precision
from ldm.randomness import Generators, normal
from ldm.spaces import Flat

__all__ = ["Gaussian"]


class Gaussian(Variational):
    """Interprets features as mean and log variance, and draws latents by reparametrisation.

    The loss `kl` is the divergence from the standard normal, in nats per sample: summed over the
    latent, averaged over the batch. `raw` is the features: channels of the mean, then of the log
    variance.

    Args:
        shape: of one latent in the declared space, `(channels, *grid)`; other grids are accepted.

    Raises:
        ValueError: the features do not have twice the latent's channels.

    Example:
        >>> Gaussian([4, 8, 8])(torch.zeros(1, 8, 8, 8)).losses
        {'kl': tensor(0.)}
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.space = Flat(shape)
        self.in_channels = 2 * self.space.shape[0]

    def on_grid(self, grid: Sequence[int]) -> None:
        self.space = Flat([self.space.shape[0], *grid])

    def forward(
        self, h: Float[Tensor, "batch features *grid"], generator: Generators = None
    ) -> Encoded:
        raw = full_precision(h, self.in_channels)
        mean, log_variance = self.moments(raw)
        losses = {"kl": self.divergence(raw).mean()}
        stats = {
            "mean_rms": mean.detach().square().mean().sqrt(),
            "posterior_std": torch.exp(0.5 * log_variance.detach()).mean(),
        }
        return Encoded(self.latent(raw, generator), raw, None, losses, stats)

    def latent(
        self, raw: Float[Tensor, "batch features *grid"], generator: Generators = None
    ) -> Float[Tensor, "batch channels *grid"]:
        mean, log_variance = self.moments(raw)
        noise = normal(mean.shape, generator, mean.device, mean.dtype)
        return mean + torch.exp(0.5 * log_variance) * noise

    def mode(self, raw: Float[Tensor, "batch features *grid"]) -> Tensor:
        return self.moments(raw)[0]

    def divergence(self, raw: Float[Tensor, "batch features *grid"]) -> Float[Tensor, " batch"]:
        mean, log_variance = self.moments(raw)
        # expm1: exp(x) - 1 would lose all digits near x = 0, where the posterior equals the prior.
        nats = mean.square() + torch.expm1(log_variance) - log_variance
        return 0.5 * nats.flatten(1).sum(1)

    def log_ratio(
        self,
        raw: Float[Tensor, "batch features *grid"],
        latent: Float[Tensor, "batch channels *grid"],
    ) -> Float[Tensor, " batch"]:
        mean, log_variance = self.moments(raw.double())
        z = latent.double()
        nats = z.square() - (z - mean).square() * torch.exp(-log_variance) - log_variance
        return 0.5 * nats.flatten(1).sum(1)

    def moments(self, raw: Float[Tensor, "batch features *grid"]) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the posterior; the log variance is clamped to [-30, 20]."""
        mean, log_variance = raw.chunk(2, dim=1)
        return mean, log_variance.clamp(-30, 20)
