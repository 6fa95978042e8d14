"""Normal noise of a fixed width around what is encoded, in any linear space."""

from jaxtyping import Float
from torch import Tensor

from ldm.bottlenecks.bottleneck import Bottleneck, Encoded
from ldm.randomness import Generators
from ldm.spaces import Space

__all__ = ["FixedGaussian"]


class FixedGaussian(Bottleneck):
    """Latents are features plus noise of the space, times a fixed standard deviation.

    The loss `kl`, in nats per sample, is the divergence of a normal of variance 1 around the
    features from that around the origin, `|mean|^2 / 2`: GeoLDM's (Xu et al. 2023), whatever the
    width of the noise. `raw` is the features.

    Args:
        space: where features and latents live.
        std: of the noise, in each direction of the space.

    Raises:
        ValueError: sums of the space's points are no points of it, or `std` is negative.

    Example:
        >>> import torch
        >>> from ldm.spaces import Flat
        >>> FixedGaussian(Flat([2]), 0.1)(torch.tensor([[3.0, 4.0]])).losses
        {'kl': tensor(12.5000)}
    """

    def __init__(self, space: Space, std: float) -> None:
        super().__init__()
        if not space.linear:
            raise ValueError(f"noise would leave {space}: choose a linear space")
        if std < 0:
            raise ValueError(f"std must be 0 or more, got {std}")
        self.space, self.std = space, std
        self.in_channels = space.shape[space.feature_axis]

    def forward(
        self, h: Float[Tensor, "batch features *grid"], generator: Generators = None
    ) -> Encoded:
        raw = self.space.project(h)
        losses = {"kl": self.space.inner(raw, raw, raw).mean() / 2}
        return Encoded(self.latent(raw, generator), raw, None, losses, {})

    def latent(
        self, raw: Float[Tensor, "batch features *grid"], generator: Generators = None
    ) -> Float[Tensor, "batch features *grid"]:
        return raw + self.std * self.space.random(len(raw), generator, raw.device, raw.dtype)

    def mode(
        self, raw: Float[Tensor, "batch features *grid"]
    ) -> Float[Tensor, "batch features *grid"]:
        return raw
