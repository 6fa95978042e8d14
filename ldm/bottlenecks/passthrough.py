"""The identity bottleneck: data are their own latents."""

from jaxtyping import Float
from torch import Tensor

from ldm.bottlenecks.bottleneck import Bottleneck, Encoded
from ldm.randomness import Generators
from ldm.spaces import Space

__all__ = ["Passthrough"]


class Passthrough(Bottleneck):
    """Returns its input, points of a space, as latents.

    Args:
        space: that contains the data.
    """

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space
        self.in_channels = space.shape[0]

    def forward(
        self, h: Float[Tensor, "batch features *grid"], generator: Generators = None
    ) -> Encoded:
        return Encoded(h, h, None, {}, {})

    def latent(
        self, raw: Float[Tensor, "batch channels *grid"], generator: Generators = None
    ) -> Float[Tensor, "batch channels *grid"]:
        return raw
