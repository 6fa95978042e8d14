"""The binary spherical quantiser: signs of a token on the unit sphere.

Source: Zhao, Xiong and Krähenbühl, "Image and Video Tokenization with Binary Spherical
Quantization", 2024 (arXiv 2406.07548), section 3.
"""

import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from ldm.bottlenecks.lookup_free import LookupFreeQuantizer
from ldm.spaces import Flat, Power, Sphere

__all__ = ["BinarySphericalQuantizer"]


class BinarySphericalQuantizer(LookupFreeQuantizer):
    """Replaces each token, normalised to u, by the nearest corner of a cube in the unit sphere.

    Corners are sign(u) / sqrt(channels). Latents take the gradient of u / sqrt(channels), as the
    released code does. Losses are those of `LookupFreeQuantizer` but for two factors: `codebook` is
    beta <|sg q - u|^2>, a sum over channels; and `entropy` is multiplied by the temperature.

    Priors learn points of spheres, or of a flat space.

    Args:
        shape: of one latent, `(channels, *grid)`; other grids are accepted, too.
        beta: weight of the commitment loss.
        entropy: weight of the loss `entropy`.
        diversity: weight of the codes' entropy in it.
        temperature: of the bits' distribution.
        together: see `LookupFreeQuantizer`; 1 is the paper's.
        flat: declare a flat space, for flat priors.

    Raises:
        ValueError: see `LookupFreeQuantizer`.

    Example:
        >>> import torch
        >>> quantizer = BinarySphericalQuantizer([4])
        >>> quantizer(torch.tensor([[0.2, -3.0, 0.7, 1.0]])[..., None]).latent.flatten().tolist()
        [0.5, -0.5, 0.5, 0.5]
    """

    def __init__(
        self,
        shape: Sequence[int],
        beta: float = 0.0,
        entropy: float = 1.0,
        diversity: float = 1.0,
        temperature: float = 1.0,
        together: int | None = 1,
        flat: bool = False,
    ) -> None:
        self.flat = flat
        super().__init__(shape, beta, entropy, diversity, temperature, together)

    def on_grid(self, grid: Sequence[int]) -> None:
        # S^0 is two points, without tangent directions: signs are treated as real numbers.
        if self.in_channels > 1:
            self.manifold = Power(Sphere(self.in_channels - 1), 1, grid)
        flat = self.flat or self.manifold is None
        self.space = Flat([self.in_channels, *grid]) if flat else self.manifold

    @property
    def scale(self) -> float:
        return 1 / math.sqrt(self.in_channels)

    def _losses(
        self, z: Float[Tensor, "batch channels *grid"], q: Float[Tensor, "batch channels *grid"]
    ) -> dict[str, Tensor]:
        losses = super()._losses(z, q)
        return {
            "codebook": losses["codebook"] * self.in_channels,
            "entropy": losses["entropy"] * self.temperature,
        }

    def _tokens(self, h: Tensor) -> Tensor:
        return normalize(h, dim=1)

    def _straight(self, z: Tensor) -> Tensor:
        return z * self.scale
