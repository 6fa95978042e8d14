"""The vector quantiser: one code per token.

Source: van den Oord, Vinyals and Kavukcuoglu, "Neural Discrete Representation Learning", 2017,
equation 3; with tokens and codes on the unit sphere as in Yu et al., "Vector-quantized Image
Modeling with Improved VQGAN", 2022, section 3.2.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import embedding, normalize

from ldm.bottlenecks.bottleneck import DiscreteBottleneck, Encoded
from ldm.bottlenecks.codebook import (
    fill_codebook,
    join,
    quantization_loss,
    snap,
    split,
    usage,
)
from ldm.bottlenecks.features import full_precision
from ldm.bottlenecks.nearest import nearest
from ldm.randomness import Generators
from ldm.spaces import Flat

__all__ = ["VectorQuantizer"]


class VectorQuantizer(DiscreteBottleneck):
    """Replaces each token by the nearest row of a learned codebook.

    The loss `codebook` is <(q - sg z)^2> + beta <(sg q - z)^2>. `raw` is the codes, and priors
    learn codes or rows; `decodable` quantises generated latents.

    Args:
        shape: of one latent, `(channels, *grid)`; other grids are accepted, too.
        codes: rows of the codebook.
        l2: normalise tokens and rows to unit length, for the search and for the decoder.
        beta: weight of the commitment loss.
        legacy: weight the codebook term by `beta` instead, as the published VQ-GAN and latent
            diffusion models do.
        init: "uniform" in [-1/codes, 1/codes], "symmetric" in [-1, 1], or "sphere".
        unquantized: let priors learn the latent before quantisation, which is then `raw`, as the
            published latent diffusion models on VQ tokenizers do (Rombach et al. 2022).
        rotation: pass gradients through a rotation, see `snap`.

    Raises:
        ValueError: the features do not have the latent's channels, or `init` is unknown.

    Example:
        >>> VectorQuantizer([4, 8, 8], codes=512)(torch.randn(1, 4, 8, 8)).codes.shape
        torch.Size([1, 8, 8, 1])
    """

    groups = 1

    def __init__(
        self,
        shape: Sequence[int],
        codes: int,
        l2: bool = False,
        beta: float = 0.25,
        legacy: bool = False,
        init: str = "uniform",
        unquantized: bool = False,
        rotation: bool = False,
    ) -> None:
        super().__init__()
        self.unquantized, self.rotation = unquantized, rotation
        self.space = Flat(shape)
        self.in_channels = self.space.shape[0]
        self.vocabulary = codes
        self.l2, self.init = l2, init
        self.weights = (beta, 1.0) if legacy else (1.0, beta)
        self.codebook = nn.Parameter(torch.empty(codes, self.in_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the codebook again."""
        fill_codebook(self.codebook, self.init)

    def on_grid(self, grid: Sequence[int]) -> None:
        self.space = Flat([self.in_channels, *grid])

    def forward(
        self, h: Float[Tensor, "batch channels *grid"], generator: Generators = None
    ) -> Encoded:
        z = self._tokens(full_precision(h, self.in_channels))
        codes = nearest(z.flatten(0, -2), self._rows()).view(z.shape[:-1])
        q = self._look_up(codes)
        losses = {"codebook": quantization_loss(z, q, *self.weights)}
        raw = join(z) if self.unquantized else codes
        latent = join(snap(z, q, self.rotation))
        encoded = Encoded(latent, raw, codes, losses, usage(codes, self.vocabulary))
        if self.training and torch.is_grad_enabled():
            self.learn(z.detach().flatten(0, -2), codes.flatten(), generator)
        return encoded

    def learn(
        self, tokens: Float[Tensor, "n d"], codes: Int[Tensor, " n"], generator: Generators
    ) -> None:
        """Update a codebook that gradients do not train, with the tokens of a training step."""

    def latent(self, raw: Tensor, generator: Generators = None) -> Tensor:
        return raw if self.unquantized else self.codes_to_latent(raw)

    def decodable(
        self, latent: Float[Tensor, "batch channels *grid"]
    ) -> Float[Tensor, "batch channels *grid"]:
        z = self._tokens(full_precision(latent, self.in_channels))
        return self.codes_to_latent(nearest(z.flatten(0, -2), self._rows()).view(z.shape[:-1]))

    def codes_to_latent(
        self, codes: Int[Tensor, "batch *grid group"]
    ) -> Float[Tensor, "batch channels *grid"]:
        return join(self._look_up(codes))

    def _tokens(self, h: Tensor) -> Tensor:
        z = split(h, self.groups)
        return normalize(z, dim=-1) if self.l2 else z

    def _rows(self) -> Tensor:
        return normalize(self.codebook, dim=-1) if self.l2 else self.codebook

    def _look_up(self, codes: Tensor) -> Tensor:
        rows = embedding(codes, self.codebook)
        return normalize(rows, dim=-1) if self.l2 else rows
