"""Haar transforms of clips and frames, causal in time.

Source: Li et al., "WF-VAE: Enhancing Video VAE by Wavelet-Driven Energy Flow for Latent Video
Diffusion Model", 2025, section 3.1.
"""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["SCALES", "haar2", "haar3", "inverse_haar2", "inverse_haar3"]

SCALES = {"published": 0.3536, "exact": 8**-0.5}
"""Factor of the eight terms of a 3D transform, by name. With the published one, which released
weights are trained with, a transform and its inverse multiply by 8 x 0.3536^2 = 1.00026368."""

TIME, HEIGHT, WIDTH = 2, 3, 4

Clip = Float[Tensor, "b c t h w"]


def haar3(x: Clip, scale: float, first: bool = True) -> Float[Tensor, "b _ _ _ _"]:
    """Halve time, height and width, for eight times the channels.

    Along each axis, a low band is the sum of two neighbours and a high one the first minus the
    second. Bands follow each other in the order low, w, h, hw, t, tw, th, thw of the axes on which
    they are high, each with all channels.

    Args:
        x: of an odd number of frames if `first`, else an even one.
        scale: see `SCALES`.
        first: the clip begins here: its first frame is repeated, so that it is transformed alone.

    Example:
        >>> haar3(torch.zeros(1, 3, 9, 16, 16), SCALES["published"]).shape
        torch.Size([1, 24, 5, 8, 8])
    """
    if first:
        x = torch.cat([x[:, :, :1], x], TIME)
    return torch.cat(_split(x, TIME, HEIGHT, WIDTH), 1) * scale


def inverse_haar3(bands: Clip, scale: float, first: bool = True) -> Float[Tensor, "b _ _ _ _"]:
    """Invert `haar3`, up to 8 `scale`^2; `first` drops the frame that was repeated."""
    x = _merge(list(bands.chunk(8, 1)), WIDTH, HEIGHT, TIME) * scale
    return x[:, :, 1:] if first else x


def haar2(x: Clip) -> Float[Tensor, "b _ t _ _"]:
    """Halve height and width of each frame, for four times the channels, with factor 1/2.

    Bands follow each other in the order low, w, h, hw, see `haar3`.
    """
    return torch.cat(_split(x, HEIGHT, WIDTH), 1) / 2


def inverse_haar2(bands: Clip) -> Float[Tensor, "b _ t _ _"]:
    """Invert `haar2`."""
    return _merge(list(bands.chunk(4, 1)), WIDTH, HEIGHT) / 2


def _split(x: Tensor, *axes: int) -> list[Tensor]:
    """Sums and differences of neighbours along axes, those of the last axis beside each other."""
    bands = [x]
    for axis in axes:
        pairs = [band.unflatten(axis, (-1, 2)).unbind(axis + 1) for band in bands]
        bands = [band for a, b in pairs for band in (a + b, a - b)]
    return bands


def _merge(bands: list[Tensor], *axes: int) -> Tensor:
    for axis in axes:
        pairs = zip(bands[::2], bands[1::2], strict=True)
        bands = [
            torch.stack([low + high, low - high], axis + 1).flatten(axis, axis + 1)
            for low, high in pairs
        ]
    return bands[0]
