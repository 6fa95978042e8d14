"""What stands between an encoder and a decoder, and what it hands on."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from ldm.randomness import Generators
from ldm.spaces import Space

__all__ = ["Bottleneck", "DiscreteBottleneck", "Encoded", "Variational"]


class Encoded(NamedTuple):
    """A batch after the bottleneck.

    Attributes:
        latent: what the decoder reads, `(batch, channels, *grid)`; gradients reach the encoder.
        raw: what a latent cache stores, enough to draw the latent again: posterior parameters,
            or codes.
        codes: indices in the codebook `(batch, *grid, codes per token)`, None when continuous.
        losses: scalars to be added to the training loss, unweighted.
        stats: detached scalars to be logged.
        context: what the decoder, and the space of the latents, need to know of these samples: a
            mask, sizes. It goes wherever the latents go.
    """

    latent: Float[Tensor, "batch channels *grid"]
    raw: Tensor
    codes: Int[Tensor, "batch *grid group"] | None
    losses: dict[str, Tensor]
    stats: dict[str, Tensor]
    context: dict[str, Tensor] = {}  # noqa: RUF012  never written to


class Bottleneck(nn.Module, ABC):
    """Turns encoder features into latents of one space.

    A regulariser or a quantiser is a file with one subclass of this.
    """

    space: Space
    """Where the latents live."""

    manifold: Space | None = None
    """The curved space that latents are made on, also where `space` declares a flat one."""

    in_channels: int
    """Feature channels asked of the encoder: twice the latent's for a Gaussian posterior."""

    def on_grid(self, grid: Sequence[int]) -> None:
        """Declare latents on a grid of this size, where only their channels were given.

        Whoever builds a tokenizer calls it with the grid of the encoder's features, so that no
        configuration repeats what the encoder and the data decide.
        """

    @abstractmethod
    def forward(
        self, h: Float[Tensor, "batch features *grid"], generator: Generators = None
    ) -> Encoded:
        """Encoder features to latents; noise, where there is any, comes from `generator`."""

    @abstractmethod
    def latent(
        self, raw: Tensor, generator: Generators = None
    ) -> Float[Tensor, "batch channels *grid"]:
        """The latent of stored `raw` values: a fresh draw where the posterior has width."""

    def mode(self, raw: Tensor) -> Float[Tensor, "batch channels *grid"]:
        """The latent of stored `raw` values without noise, for scoring reconstructions."""
        return self.latent(raw)

    def decodable(
        self, latent: Float[Tensor, "batch channels *grid"]
    ) -> Float[Tensor, "batch channels *grid"]:
        """What the decoder reads of a generated latent; a quantiser may snap it to its codebook."""
        return latent


class Variational(Bottleneck):
    """A bottleneck whose latents are drawn from a posterior q(z | x), beside a prior p(z)."""

    @abstractmethod
    def divergence(self, raw: Tensor) -> Float[Tensor, " batch"]:
        """KL(q || p) of each sample, nats: the loss `kl` before it is averaged."""

    @abstractmethod
    def log_ratio(
        self, raw: Tensor, latent: Float[Tensor, "batch channels *grid"]
    ) -> Float[Tensor, " batch"]:
        """`log q(z | x) - log p(z)` at latents, nats, in float64; its mean under q is the KL."""


class DiscreteBottleneck(Bottleneck):
    """A bottleneck whose latents are rows of a codebook; `raw` is codes."""

    vocabulary: int
    """How many codes a codebook has."""

    groups: int
    """How many codes stand for one token."""

    @abstractmethod
    def codes_to_latent(
        self, codes: Int[Tensor, "batch *grid group"]
    ) -> Float[Tensor, "batch channels *grid"]:
        """Codebook rows of the codes, as the decoder reads them."""
