"""Data to latent to data."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ldm.bottlenecks import Bottleneck, Encoded
from ldm.randomness import Generators
from ldm.spaces import Space

__all__ = ["Batch", "Tokenizer"]

Batch = dict[str, Tensor]
"""Tensors by their fixed names, see data/README.md: `x`, `label`, `mask`, ..."""


class Tokenizer(nn.Module):
    """An encoder, a bottleneck and a decoder, and the maps between raw and normalised latents.

    `encode` gives raw latents, which is what a cache stores. `normalize` draws latents from them
    and brings each channel to mean 0 and deviation 1: what a prior learns. `denormalize` goes back
    and `decode` ends in data. The mean and deviation are measured once (`measure`), after training,
    and saved with the weights.

    Args:
        encoder: data `(b, c, ...)` to features `(b, bottleneck.in_channels, *grid)`.
        bottleneck: features to latents of its space.
        decoder: latents to data.

    Example:
        >>> from ldm.bottlenecks import Gaussian
        >>> tokenizer = Tokenizer(nn.Conv2d(3, 8, 8, 8), Gaussian([4, 4, 4]), nn.Conv2d(4, 3, 1))
        >>> tokenizer.encode({"x": torch.zeros(1, 3, 32, 32)}).latent.shape
        torch.Size([1, 4, 4, 4])
    """

    mean: Float[Tensor, " channels"]
    std: Float[Tensor, " channels"]

    def __init__(self, encoder: nn.Module, bottleneck: Bottleneck, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.bottleneck, self.decoder = encoder, bottleneck, decoder
        channels = self.space.shape[0]
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    @property
    def space(self) -> Space:
        """Where the latents live."""
        return self.bottleneck.space

    @property
    def learned(self) -> bool:
        """Whether there is anything to train, and so to load."""
        return any(True for _ in self.parameters())

    def encode(self, batch: Batch, generator: Generators = None) -> Encoded:
        """Raw latents of a batch, with codes, losses and stats."""
        return self.bottleneck(self.encoder(batch["x"]), generator)

    def decode(self, latent: Float[Tensor, "b c *grid"], batch: Batch | None = None) -> Batch:
        """Data of latents that are not normalised."""
        return {"x": self.decoder(self.bottleneck.decodable(latent))}

    def forward(self, batch: Batch, generator: Generators = None) -> tuple[Batch, Encoded]:
        """Reconstruction of a batch, and what its encoding was."""
        encoded = self.encode(batch, generator)
        return {"x": self.decoder(encoded.latent)}, encoded

    def reconstruct(self, batch: Batch) -> tuple[Batch, Encoded]:
        """As `forward`, from the mode of the posterior: how reconstructions are scored."""
        encoded = self.encode(batch)
        return self.decode(self.bottleneck.mode(encoded.raw)), encoded

    def normalize(self, raw: Tensor, generator: Generators = None) -> Float[Tensor, "b c *grid"]:
        """Normalised latents of raw ones; posterior noise is drawn afresh."""
        latent = self.bottleneck.latent(raw, generator)
        mean, std = self._moments(latent)
        return (latent - mean) / std

    def denormalize(self, latent: Float[Tensor, "b c *grid"]) -> Float[Tensor, "b c *grid"]:
        """Undo the shift and scale of `normalize`."""
        mean, std = self._moments(latent)
        return latent * std + mean

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
    def measure(self, raws: Iterable[Tensor], generator: Generators = None) -> None:
        """Set the mean and deviation from batches of raw latents, in float64.

        Args:
            raws: batches of raw latents as `encode` gives them.
            generator: of the posterior noise.

        Raises:
            ValueError: there are no latents, one is not finite, or a channel never varies.
        """
        count, total, square = 0, 0.0, 0.0
        for raw in raws:
            latent = self.bottleneck.latent(raw, generator).double().transpose(0, 1).flatten(1)
            count += latent.shape[1]
            total, square = total + latent.sum(1), square + latent.square().sum(1)
        if count == 0:
            raise ValueError("no latents to measure: the batches are none, or were used up before")
        mean = total / count
        std = (square / count - mean.square()).clamp(min=0).sqrt()
        # What float32 rounding does to a constant is no deviation; NaN and infinity fail as well.
        if not (std > 1e-6 * mean.abs()).all():
            raise ValueError(
                f"latents cannot be normalised: channel means {mean.tolist()}, deviations "
                f"{std.tolist()}; train the tokenizer further or look for NaN in its weights"
            )
        mean, std = self.space.moments(mean, std)
        self.mean.copy_(mean)
        self.std.copy_(std)

    def _moments(self, latent):
        shape = (1, -1, *[1] * (latent.ndim - 2))
        return self.mean.view(shape).to(latent.dtype), self.std.view(shape).to(latent.dtype)
