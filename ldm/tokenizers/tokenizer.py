"""Data to latent to data."""

from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from data import Batch
from ldm.bottlenecks import Bottleneck, DiscreteBottleneck, Encoded
from ldm.randomness import Generators
from ldm.spaces import Categorical, Space

__all__ = ["Context", "Tokenizer"]

Context = Mapping[str, Tensor]
"""What samples are like beside their numbers, under the keys of a batch: `mask`, ..."""


class Tokenizer(nn.Module):
    """An encoder, a bottleneck and a decoder, and the maps between raw and normalised latents.

    `encode` gives raw latents, which is what a cache stores. `normalize` draws latents from them
    and gives them mean 0 and standard deviation 1, as their space says: what a prior learns.
    `denormalize` goes back and `decode` ends in data. Mean and standard deviation are measured once
    (`measure`), after training, and saved with the weights.

    Encoder and decoder read the context, where a batch has one, as keyword arguments.

    Args:
        encoder: data `(b, c, ...)` to features `(b, bottleneck.in_channels, *grid)`.
        bottleneck: features to latents of its space.
        decoder: latents to data.
        latents: what priors learn: `vectors`, or the `codes` of a quantiser.

    Raises:
        ValueError: codes are asked of a bottleneck that has none.

    Example:
        >>> from ldm.bottlenecks import Gaussian
        >>> tokenizer = Tokenizer(nn.Conv2d(3, 8, 8, 8), Gaussian([4, 4, 4]), nn.Conv2d(4, 3, 1))
        >>> tokenizer.encode({"x": torch.zeros(1, 3, 32, 32)}).latent.shape
        torch.Size([1, 4, 4, 4])
    """

    context_keys: ClassVar[tuple[str, ...]] = ("mask",)
    """Keys of a batch that are the context of its samples."""

    mean: Float[Tensor, " features"]
    std: Float[Tensor, " features"]

    def __init__(
        self,
        encoder: nn.Module,
        bottleneck: Bottleneck,
        decoder: nn.Module,
        latents: Literal["vectors", "codes"] = "vectors",
    ) -> None:
        super().__init__()
        if latents == "codes" and not isinstance(bottleneck, DiscreteBottleneck):
            raise ValueError(
                f"a {type(bottleneck).__name__} has no codes for a prior to learn: set "
                f"latents=vectors, or choose a quantiser"
            )
        self.encoder, self.bottleneck, self.decoder = encoder, bottleneck, decoder
        self.latents = latents
        features = bottleneck.space.shape[bottleneck.space.feature_axis]
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))

    @property
    def space(self) -> Space:
        """Where the latents that priors learn live."""
        if self.latents == "codes":
            grid = self.bottleneck.space.shape[1:]
            return Categorical([*grid, self.bottleneck.groups], self.bottleneck.vocabulary)
        return self.bottleneck.space

    @property
    def learned(self) -> bool:
        """Whether there is anything to train, and so to load."""
        return any(True for _ in self.parameters())

    def encode(self, batch: Batch, generator: Generators = None) -> Encoded:
        """Raw latents of a batch, with codes, losses, stats and context."""
        context = {key: batch[key] for key in self.context_keys if key in batch}
        encoded = self.bottleneck(self.encoder(batch["x"], **context), generator)
        return encoded._replace(context=context)

    def decode(
        self, latent: Tensor, context: Context | None = None, generator: Generators = None
    ) -> Batch:
        """Data of latents that are not normalised, or of codes where those are what priors learn.

        Args:
            latent: `(b, *shape)`, as `denormalize` gives them.
            context: what `encode` found of these samples, or what they were asked to be.
            generator: of decoders that are random.
        """
        if self.latents == "codes":
            return self._decode(self.bottleneck.codes_to_latent(latent), context)
        return self._decode(self.bottleneck.decodable(latent), context)

    def forward(self, batch: Batch, generator: Generators = None) -> tuple[Batch, Encoded]:
        """Reconstruction of a batch, and what its encoding was."""
        encoded = self.encode(batch, generator)
        return self._decode(encoded.latent, encoded.context), encoded

    def reconstruct(self, batch: Batch) -> tuple[Batch, Encoded]:
        """As `forward`, from the mode of the posterior: how reconstructions are scored."""
        encoded = self.encode(batch)
        latent = self.bottleneck.decodable(self.bottleneck.mode(encoded.raw))
        return self._decode(latent, encoded.context), encoded

    def normalize(
        self, raw: Tensor, generator: Generators = None, context: Context | None = None
    ) -> Tensor:
        """Normalised latents of raw ones; posterior noise is drawn afresh."""
        if self.latents == "codes":
            return raw
        latent = self.bottleneck.latent(raw, generator)
        scale = self.std.double().reciprocal()
        return self.space.on(context or {}).affine(latent, scale, -self.mean.double() * scale)

    def denormalize(self, latent: Tensor, context: Context | None = None) -> Tensor:
        """Undo the shift and scale of `normalize`."""
        if self.latents == "codes":
            return latent
        return self.space.on(context or {}).affine(latent, self.std, self.mean)

    def log_volume_change(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Log of the growth of volumes from data to latents: what log densities of data have more.

        Raises:
            ValueError: latents are not data in other coordinates.
        """
        raise ValueError(
            f"{type(self).__name__} does not only change coordinates, so likelihoods of latents "
            f"are none of data: choose another eval="
        )

    @torch.no_grad()
    def measure(self, encodings: Iterable[Encoded], generator: Generators = None) -> None:
        """Set the mean and standard deviation of the latents' features, found in float64.

        Args:
            encodings: of batches, as `encode` gives them.
            generator: of the posterior noise.

        Raises:
            ValueError: there are no latents, one is not finite, or a feature never varies.
        """
        count, total, square = 0, 0.0, 0.0
        for encoded in encodings:
            latent = self.bottleneck.latent(encoded.raw, generator).double()
            features = self.bottleneck.space.on(encoded.context).features(latent)
            count += features.shape[1]
            total, square = total + features.sum(1), square + features.square().sum(1)
        if count == 0:
            raise ValueError("no latents to measure: the batches are none, or were used up before")
        mean = total / count
        std = (square / count - mean.square()).clamp(min=0).sqrt()
        # Rounding gives a constant some spread, which is none; NaN and infinity fail as well.
        if not (std > 1e-6 * mean.abs()).all():
            raise ValueError(
                f"latents cannot be normalised: means {mean.tolist()}, standard deviations "
                f"{std.tolist()}; train the tokenizer further or look for NaN in its weights"
            )
        mean, std = self.bottleneck.space.moments(mean, std)
        self.mean.copy_(mean)
        self.std.copy_(std)

    def _decode(self, latent: Tensor, context: Context | None) -> Batch:
        context = dict(context or {})
        read = {key: context[key] for key in self.context_keys if key in context}
        return {"x": self.decoder(latent, **read), **read}
