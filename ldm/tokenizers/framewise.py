"""Tokenizers of images, applied to every frame of a video."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from data.batch import Batch
from ldm.bottlenecks import Encoded, Variational
from ldm.randomness import Generators
from ldm.tokenizers.tokenizer import Tokenizer

__all__ = ["Framewise", "FramewiseEncoded"]


def framewise(network: nn.Module, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b _ t _ _"]:
    """Apply a network of images to every frame of clips `(b, c, t, h, w)`.

    Without gradients, one frame of each clip is computed at a time, so that the memory is that of
    as many images as there are clips.

    Raises:
        ValueError: `x` holds no clips.
    """
    if x.ndim != 5:
        raise ValueError(
            f"a frame by frame tokenizer reads clips of shape (channels, frames, height, width), "
            f"found {tuple(x.shape[1:])}: choose data of videos, or for images "
            f"_target_=ldm.tokenizers.Tokenizer"
        )
    if torch.is_grad_enabled():
        frames = network(rearrange(x, "b c t h w -> (b t) c h w"))
        return rearrange(frames, "(b t) c h w -> b c t h w", b=len(x))
    return torch.stack([network(frame) for frame in x.unbind(2)], 2)


class FramewiseEncoded(Tokenizer):
    """A tokenizer whose encoder reads images, each frame by itself; the decoder reads clips.

    Args:
        encoder: maps images `(b, c, h, w)` to features `(b, bottleneck.in_channels, h', w')`.
        bottleneck: maps features `(b, in_channels, t, h', w')` to latents of its space.
        decoder: maps latents of clips `(b, c', t, h', w')` to clips.
        **options: of `Tokenizer`.
    """

    @staticmethod
    def features(encoder: nn.Module, x: Tensor, **context: Tensor) -> Tensor:
        """Features `(b, in_channels, t, h', w')` of clips."""
        return framewise(encoder, x)

    def encode(self, batch: Batch, generator: Generators = None) -> Encoded:
        """Raw latents of a batch, with codes, losses, stats and context; losses as of images.

        The divergence of a posterior is that of a frame, in nats, averaged over the frames of a
        clip, so that its weight means the same as in training on images.
        """
        encoded = super().encode(batch, generator)
        if not isinstance(self.bottleneck, Variational):
            return encoded  # losses of quantisers are averages already
        losses = {name: loss / batch["x"].shape[2] for name, loss in encoded.losses.items()}
        return encoded._replace(losses=losses)


class Framewise(FramewiseEncoded):
    """A tokenizer of images as one of videos: encoder and decoder see each frame by itself.

    Its parts, and so its weights, are those of the tokenizer of images, whose configurations and
    checkpoints it takes as they are. Latents of a clip have the frames as their first axis after
    the channels, `(c', t, h', w')`.

    Args:
        encoder: maps images `(b, c, h, w)` to features `(b, bottleneck.in_channels, h', w')`.
        bottleneck: any, of features `(b, in_channels, t, h', w')`.
        decoder: maps latents of images `(b, c', h', w')` to images.
        **options: of `Tokenizer`.

    Example:
        >>> from ldm.bottlenecks import Gaussian
        >>> tokenizer = Framewise(nn.Conv2d(3, 8, 8, 8), Gaussian([4, 2, 4, 4]), nn.Conv2d(4, 3, 1))
        >>> tokenizer.encode({"x": torch.zeros(1, 3, 2, 32, 32)}).latent.shape
        torch.Size([1, 4, 2, 4, 4])
    """

    @staticmethod
    def outputs(decoder: nn.Module, latent: Tensor, **context: Tensor) -> Tensor:
        """Clips `(b, c, t, h, w)` of their latents."""
        return framewise(decoder, latent)
