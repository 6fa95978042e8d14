"""No bottleneck: the data are the latents."""

from jaxtyping import Float
from torch import Tensor

from ldm.bottlenecks.bottleneck import Bottleneck, Encoded
from ldm.randomness import Generators
from ldm.spaces import Space

__all__ = ["Passthrough"]


class Passthrough(Bottleneck):
    """Hands on what it is given: points of a space.

    Args:
        space: where the data live.
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
