"""The identity bottleneck: data are their own latents."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from ldm.bottlenecks.bottleneck import Bottleneck, Encoded
from ldm.randomness import Generators
from ldm.spaces import Flat, Space

__all__ = ["Passthrough"]


class Passthrough(Bottleneck):
    """Returns its input, points of a space, as latents.

    Args:
        space: that contains the data; channels alone make a grid that follows from the encoder.
    """

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space
        self.in_channels = space.shape[0]

    def on_grid(self, grid: Sequence[int]) -> None:
        if isinstance(self.space, Flat):
            self.space = Flat([self.in_channels, *grid])

    def forward(
        self, h: Float[Tensor, "batch features *grid"], generator: Generators = None
    ) -> Encoded:
        return Encoded(h, h, None, {}, {})

    def latent(
        self, raw: Float[Tensor, "batch channels *grid"], generator: Generators = None
    ) -> Float[Tensor, "batch channels *grid"]:
        return raw
