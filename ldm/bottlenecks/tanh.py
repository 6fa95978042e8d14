"""A bottleneck that bounds latents: the autoencoder of PVDM has no other.

Source: Yu et al., "Video Probabilistic Diffusion Models in Projected Latent Space", 2023.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from ldm.bottlenecks.bottleneck import Bottleneck, Encoded
from ldm.bottlenecks.features import full_precision
from ldm.randomness import Generators
from ldm.spaces import Flat

__all__ = ["Tanh"]


class Tanh(Bottleneck):
    """Latents `tanh(h)`, between -1 and 1; there is no noise and no loss.

    Args:
        shape: of one latent, `(channels, *grid)`; other grids are accepted, too.

    Raises:
        ValueError: the features do not have the latent's channels.

    Example:
        >>> import torch
        >>> Tanh([1])(torch.zeros(1, 1, 2)).latent
        tensor([[[0., 0.]]])
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.space, self.in_channels = Flat(shape), shape[0]

    def on_grid(self, grid: Sequence[int]) -> None:
        self.space = Flat([self.in_channels, *grid])

    def forward(
        self, h: Float[Tensor, "batch features *grid"], generator: Generators = None
    ) -> Encoded:
        latent = full_precision(h, self.in_channels).tanh()
        stats = {"saturated": (latent.detach().abs() > 0.99).float().mean()}
        return Encoded(latent, latent, None, {}, stats)

    def latent(
        self, raw: Float[Tensor, "batch channels *grid"], generator: Generators = None
    ) -> Float[Tensor, "batch channels *grid"]:
        return raw
