"""Conversion between pixels in [-1, 1] and the bytes on which metrics are computed; frames."""

import torch
from jaxtyping import Float, Num, UInt8
from torch import Tensor

__all__ = ["frames_of", "from_uint8", "to_uint8", "truncated"]


def to_uint8(x: Num[Tensor, "*shape"]) -> UInt8[Tensor, "*shape"]:
    """Round pixels in [-1, 1] to the nearest of 256 grey levels, as an image file stores them.

    Bytes stay as they are.

    The convention is EDM's: `127.5 x + 128`, clamped to [0, 255] and truncated. This rounds to the
    nearest level, so bytes converted by `from_uint8` are recovered exactly; truncating
    `127.5 (x + 1)`, as some evaluators do, darkens by half a level.

    Raises:
        ValueError: a pixel is NaN, which would be cast to an arbitrary byte.

    Example:
        >>> to_uint8(torch.tensor([-1.5, -1.0, 0.0, 1.0])).tolist()
        [0, 0, 128, 255]
    """
    if x.dtype == torch.uint8:
        return x
    if x.isnan().any():
        raise ValueError(f"{int(x.isnan().sum())} of {x.numel()} pixels are not numbers (NaN)")
    # Use float32 or better: half precision does not resolve neighbouring levels.
    return (x.to(torch.promote_types(x.dtype, torch.float32)) * 127.5 + 128).clamp(0, 255).byte()


def from_uint8(x: UInt8[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Convert grey levels 0..255 to float32 pixels in [-1, 1]."""
    return x.float() / 127.5 - 1


def truncated(x: Float[Tensor, "*shape"]) -> UInt8[Tensor, "*shape"]:
    """Convert pixels in [-1, 1] to bytes as some evaluators do: `255 (x + 1) / 2`, rounded down.

    Example:
        >>> truncated(torch.tensor([-1.0, 0.0, 1.5])).tolist()
        [0, 127, 255]
    """
    return ((x.float() + 1) / 2).clamp(0, 1).mul(255).byte()


def frames_of(x: Num[Tensor, "n c *t h w"]) -> Num[Tensor, "m c h w"]:
    """Line up the frames of all clips, those of the first clip first; images are unchanged.

    Example:
        >>> frames_of(torch.zeros(2, 3, 16, 8, 8)).shape
        torch.Size([32, 3, 8, 8])
    """
    return x.movedim(1, -3).flatten(0, -4)
