"""Base classes of bottlenecks, and the encoding that they return."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from ldm.randomness import Generators
from ldm.spaces import Space

__all__ = ["Bottleneck", "DiscreteBottleneck", "Encoded", "Variational"]


class Encoded(NamedTuple):
    """The encoding of a batch.

    Attributes:
        latent: input of the decoder, `(batch, channels, *grid)`; gradients reach the encoder.
        raw: values for a latent cache, from which latents can be drawn again: posterior parameters
            or codes.
        codes: indices in the codebook `(batch, *grid, codes per token)`, None when continuous.
        losses: scalars to add to the training loss, unweighted.
        stats: detached scalars to log.
        context: structure of these samples that the decoder and the latents' space need, such as a
            mask or sizes. It accompanies the latents everywhere.
    """

    latent: Float[Tensor, "batch channels *grid"]
    raw: Tensor
    codes: Int[Tensor, "batch *grid group"] | None
    losses: dict[str, Tensor]
    stats: dict[str, Tensor]
    context: dict[str, Tensor] = {}  # noqa: RUF012  never written to


class Bottleneck(nn.Module, ABC):
    """Maps encoder features to latents of one space.

    Each posterior or quantiser is a subclass in its own file.
    """

    space: Space
    """Space of the latents."""

    manifold: Space | None = None
    """Manifold that encoded latents lie on, even if `space` is declared flat."""

    in_channels: int
    """Feature channels that the encoder must output: twice the latent's for a Gaussian."""

    def on_grid(self, grid: Sequence[int]) -> None:
        """Set the grid of the latents, if only their channels were given.

        Called with the grid of the encoder's features when a tokenizer is built, so that no
        configuration repeats a size that follows from encoder and data.
        """

    def on(self, context: Mapping[str, Tensor]) -> "Bottleneck":
        """The bottleneck on the space's view for these samples, see `Space.on`; often itself.

        It shares parameters and buffers with this one.
        """
        space = self.space.on(context)
        if space is self.space:
            return self
        view = copy.copy(self)
        view.space = space
        return view

    @abstractmethod
    def forward(
        self, h: Float[Tensor, "batch features *grid"], generator: Generators = None
    ) -> Encoded:
        """Encode features; noise, if any, comes from `generator`."""

    @abstractmethod
    def latent(
        self, raw: Tensor, generator: Generators = None
    ) -> Float[Tensor, "batch channels *grid"]:
        """Latent of stored `raw` values: a new draw if the bottleneck is stochastic."""

    def mode(self, raw: Tensor) -> Float[Tensor, "batch channels *grid"]:
        """Latent of stored `raw` values without noise, for evaluating reconstructions."""
        return self.latent(raw)

    def decodable(
        self, latent: Float[Tensor, "batch channels *grid"]
    ) -> Float[Tensor, "batch channels *grid"]:
        """Map a generated latent to the decoder's input; quantisers return the nearest codes."""
        return latent


class Variational(Bottleneck):
    """A bottleneck with a posterior q(z | x) and a fixed prior p(z) of its latents."""

    @abstractmethod
    def divergence(self, raw: Tensor) -> Float[Tensor, " batch"]:
        """KL(q || p) of each sample, in nats; its mean over the batch is the loss `kl`."""

    @abstractmethod
    def log_ratio(
        self, raw: Tensor, latent: Float[Tensor, "batch channels *grid"]
    ) -> Float[Tensor, " batch"]:
        """Log ratio `log q(z | x) - log p(z)` in nats, float64; its mean under q is the KL."""


class DiscreteBottleneck(Bottleneck):
    """A bottleneck whose latents are rows of a codebook; `raw` is codes."""

    vocabulary: int
    """Number of codes in the codebook."""

    groups: int
    """Number of codes per token."""

    @abstractmethod
    def codes_to_latent(
        self, codes: Int[Tensor, "batch *grid group"]
    ) -> Float[Tensor, "batch channels *grid"]:
        """Codebook rows of the codes, as inputs of the decoder."""
