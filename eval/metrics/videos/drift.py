"""Statistics of frames over time, by which long videos are seen to drift."""

import math

from jaxtyping import Float, Float64, Num
from torch import Tensor

__all__ = ["brightness", "contrast", "late_change"]

PART = 0.25  # of the frames, at the beginning and at the end


def brightness(clips: Num[Tensor, "n c t h w"]) -> Float64[Tensor, "n t"]:
    """Compute the mean of each frame, in the units of the pixels."""
    return clips.double().mean((1, 3, 4))


def contrast(clips: Num[Tensor, "n c t h w"]) -> Float64[Tensor, "n t"]:
    """Compute the standard deviation of each frame's pixels and colours, in their units."""
    centred = clips.double() - brightness(clips)[:, None, :, None, None]
    return centred.square().mean((1, 3, 4)).sqrt()


def late_change(values: Float[Tensor, "n t"]) -> Float[Tensor, " n"]:
    """Compute by how much a statistic's mean over the last quarter exceeds that over the first.

    Its mean over clips is a drift, zero where none is preferred; the mean of its size says how much
    clips change at all.

    Example:
        >>> import torch
        >>> late_change(torch.arange(8.0)[None]).item()  # (6 + 7) / 2 - (0 + 1) / 2
        6.0
    """
    part = math.ceil(PART * values.shape[1])
    return values[:, -part:].mean(1) - values[:, :part].mean(1)
