"""The base class of tokenizers: encoder, bottleneck and decoder."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from data import Batch
from ldm.bottlenecks import Bottleneck, DiscreteBottleneck, Encoded
from ldm.randomness import Generators
from ldm.spaces import Categorical, Space
from ldm.tensors import widest

__all__ = ["Context", "Tokenizer"]

Context = Mapping[str, Tensor]
"""Structure of samples that encoder and decoder need, under the keys of a batch: `mask`, ..."""


class Tokenizer(nn.Module):
    """An encoder, a bottleneck and a decoder, and the maps between raw and normalised latents.

    `encode` returns raw latents, which a cache stores. `normalize` draws latents from them and
    scales these to mean 0 and standard deviation 1, per feature of their space: priors learn them.
    `denormalize` inverts the scaling, and `decode` maps to data. Mean and standard deviation are
    measured once (`measure`), after training, and saved with the weights; priors refuse a tokenizer
    that was not `measured`.

    Encoder and decoder receive the context, if the batch has one, as keyword arguments.

    Args:
        encoder: maps data `(b, c, ...)` to features `(b, bottleneck.in_channels, *grid)`.
        bottleneck: maps features to latents of its space.
        decoder: maps latents to data.
        latents: learned by priors: `vectors`, or the `codes` of a quantiser.
        scale: that latents are divided by in place of what is measured: one number, or one for each
            of their features; None to measure.
        context_keys: keys of a batch that form the context, where it has them.

    Raises:
        ValueError: `latents` is "codes", but the bottleneck is not a quantiser; or a scale is not
            above 0, or not one a feature.

    Example:
        >>> from ldm.bottlenecks import Gaussian
        >>> tokenizer = Tokenizer(nn.Conv2d(3, 8, 8, 8), Gaussian([4, 4, 4]), nn.Conv2d(4, 3, 1))
        >>> tokenizer.encode({"x": torch.zeros(1, 3, 32, 32)}).latent.shape
        torch.Size([1, 4, 4, 4])
    """

    context_keys: tuple[str, ...] = ("mask",)
    """Keys of a batch that form the context of its samples."""

    mean: Float[Tensor, " features"]
    std: Float[Tensor, " features"]

    def __init__(
        self,
        encoder: nn.Module,
        bottleneck: Bottleneck,
        decoder: nn.Module,
        latents: Literal["vectors", "codes"] = "vectors",
        scale: float | Sequence[float] | None = None,
        context_keys: Sequence[str] = ("mask",),
    ) -> None:
        super().__init__()
        self.context_keys = tuple(context_keys)
        if latents == "codes" and not isinstance(bottleneck, DiscreteBottleneck):
            raise ValueError(
                f"a {type(bottleneck).__name__} has no codes for a prior to learn: set "
                f"latents=vectors, or choose a quantiser"
            )
        self.encoder, self.bottleneck, self.decoder = encoder, bottleneck, decoder
        self.latents, self.fixed = latents, scale is not None
        features = bottleneck.space.shape[bottleneck.space.feature_axis]
        # A standard deviation of 0 says that none was measured; spaces without a scale set it to 1.
        std = torch.zeros(features) if self.learned else torch.ones(features)
        mean, std = bottleneck.space.moments(torch.zeros(features), std)
        if scale is not None:
            std = _one_each(scale, features)
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    @property
    def space(self) -> Space:
        """Space of the latents that priors learn."""
        if isinstance(self.bottleneck, DiscreteBottleneck) and self.latents == "codes":
            grid = self.bottleneck.space.shape[1:]
            return Categorical([*grid, self.bottleneck.groups], self.bottleneck.vocabulary)
        return self.bottleneck.space

    @property
    def interface(self) -> dict[str, Any]:
        """Numbers of the latents besides their shape that priors are handed, such as `windows`.

        Encoders name them by the parameters of networks and priors.
        """
        return getattr(self.encoder, "interface", {})

    @property
    def learned(self) -> bool:
        """True if there are parameters to train and to load."""
        return any(True for _ in self.parameters())

    @property
    def measured(self) -> bool:
        """True if latents can be normalised: their mean and standard deviation are known."""
        return self.latents == "codes" or bool((self.std > 0).all())

    @staticmethod
    def features(encoder: nn.Module, x: Tensor, **context: Tensor) -> Tensor:
        """Features of data for the bottleneck, by the encoder of such a tokenizer."""
        return encoder(x, **context)

    @staticmethod
    def outputs(decoder: nn.Module, latent: Tensor, **context: Tensor) -> Tensor:
        """Data of latents, by the decoder of such a tokenizer."""
        return decoder(latent, **context)

    def encode(self, batch: Batch, generator: Generators = None) -> Encoded:
        """Raw latents of a batch, with codes, losses, stats and context."""
        context = {key: batch[key] for key in self.context_keys if key in batch}
        features = self.features(self.encoder, batch["x"], **context)
        return self.bottleneck.on(context)(features, generator)._replace(context=context)

    def conditions(self, batch: Batch) -> Batch:
        """What a prior is told of samples besides their own entries; nothing, by default.

        Args:
            batch: of data, or conditions of samples that are to be drawn.
        """
        return {}

    def decode(
        self, latent: Tensor, context: Context | None = None, generator: Generators = None
    ) -> Batch:
        """Decode latents that are not normalised, or codes if priors learn codes.

        Args:
            latent: `(b, *shape)`, as `denormalize` returns them.
            context: from `encode`, or from the conditions of generated samples.
            generator: of stochastic decoders.
        """
        if isinstance(self.bottleneck, DiscreteBottleneck) and self.latents == "codes":
            return self._decode(self.bottleneck.codes_to_latent(latent), context)
        return self._decode(self.bottleneck.on(context or {}).decodable(latent), context)

    def forward(self, batch: Batch, generator: Generators = None) -> tuple[Batch, Encoded]:
        """Reconstruction of a batch, and its encoding."""
        encoded = self.encode(batch, generator)
        return self._decode(encoded.latent, encoded.context), encoded

    def reconstruct(self, batch: Batch) -> tuple[Batch, Encoded]:
        """Reconstruction from the mode of the posterior, for evaluation, and the encoding."""
        encoded = self.encode(batch)
        bottleneck = self.bottleneck.on(encoded.context)
        latent = bottleneck.decodable(bottleneck.mode(encoded.raw))
        return self._decode(latent, encoded.context), encoded

    def normalize(
        self, raw: Tensor, generator: Generators = None, context: Context | None = None
    ) -> Tensor:
        """Normalised latents of raw ones, with new posterior noise."""
        if self.latents == "codes":
            return raw
        latent = self.bottleneck.on(context or {}).latent(raw, generator)
        return self.standardize(latent, context)

    def standardize(self, latent: Tensor, context: Context | None = None) -> Tensor:
        """Normalised latents of ones that were drawn from the posterior."""
        context, scale = context or {}, widest(self.std).reciprocal()
        return self.space.on(context).affine(latent, scale, -widest(self.mean) * scale)

    def denormalize(self, latent: Tensor, context: Context | None = None) -> Tensor:
        """Invert the shift and scale of `normalize`."""
        if self.latents == "codes":
            return latent
        return self.space.on(context or {}).affine(latent, self.std, self.mean)

    def log_volume_change(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Log volume ratio of latents to data: log density of data minus log density of latents.

        Raises:
            ValueError: the tokenizer is not a change of coordinates.
        """
        raise ValueError(
            f"{type(self).__name__} does not only change coordinates, so likelihoods of latents "
            f"are none of data: choose another eval="
        )

    @torch.no_grad()
    def measure(self, encodings: Iterable[Encoded], generator: Generators = None) -> None:
        """Set the mean and standard deviation of the latents' features, computed in float64.

        Nothing is done where a `scale` is given.

        Args:
            encodings: of batches, as `encode` returns them.
            generator: of the posterior noise.

        Raises:
            ValueError: there are no latents, one is not finite, or a feature that would be
                normalised never varies.
        """
        if self.fixed:
            return
        count, total, square = 0, torch.zeros(()), torch.zeros(())
        for encoded in encodings:
            bottleneck = self.bottleneck.on(encoded.context)
            latent = bottleneck.latent(encoded.raw, generator).double()
            features = bottleneck.space.features(latent)
            count += features.shape[1]
            total, square = total + features.sum(1), square + features.square().sum(1)
        if count == 0:
            raise ValueError("no latents to measure: the batches are none, or were used up before")
        mean = total / count
        std = (square / count - mean.square()).clamp(min=0).sqrt()
        shift, scale = self.bottleneck.space.moments(mean, std)
        # Rounding gives constants a tiny variance, so the bound is relative. In a space without a
        # linear structure there is nothing to divide by, and features may be constant.
        finite = torch.isfinite(mean).all() and torch.isfinite(std).all()
        if not (finite and (scale > 1e-6 * shift.abs()).all()):
            raise ValueError(
                f"latents cannot be normalised: means {mean.tolist()}, standard deviations "
                f"{std.tolist()}; train the tokenizer further or look for NaN in its weights"
            )
        self.mean.copy_(shift)
        self.std.copy_(scale)

    def _decode(self, latent: Tensor, context: Context | None) -> Batch:
        context = dict(context or {})
        read = {key: context[key] for key in self.context_keys if key in context}
        return {"x": self.outputs(self.decoder, latent, **read), **read}


def _one_each(scale: float | Sequence[float], features: int) -> Float[Tensor, " features"]:
    """The scale of each feature."""
    given = torch.tensor(scale, dtype=torch.float32)
    if given.shape not in ((), (features,)) or not (given > 0).all():
        raise ValueError(
            f"a scale is one number above 0, or one for each of {features} features, got {scale}"
        )
    return given.expand(features).clone()
