"""Methods that resize pictures to a network's input size; scores depend on the choice.

Sources: Parmar et al., "On aliased resizing and surprising subtleties in GAN evaluation", 2022, for
`clean`; the resize of TensorFlow 1 (`ResizeBilinear` with its defaults) for `tf1`.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

__all__ = ["RESIZES", "bicubic_bytes", "colour", "resize_tf1"]

Resize = Callable[[Float[Tensor, "batch channel height width"], int], Tensor]
"""Map from pixels in 0..255 to network inputs `(batch, channel, size, size)`, about [-1, 1]."""


def resize_tf1(
    x: Float[Tensor, "batch channel height width"], size: int
) -> Float[Tensor, "batch channel size size"]:
    """Resize as TensorFlow 1 does: bilinear, pixel i sampled at `i * in / out`, not at centres."""
    for axis in (3, 2):
        length = x.shape[axis]
        source = torch.arange(size, device=x.device, dtype=torch.float32) * (length / size)
        low = source.long().clamp(max=length - 1)
        high = (low + 1).clamp(max=length - 1)
        weight = (source - low).to(x.dtype)
        if axis == 2:
            weight = weight[:, None]
        x = torch.lerp(x.index_select(axis, low), x.index_select(axis, high), weight)
    return x


def _tf1(x: Tensor, size: int) -> Tensor:
    return (resize_tf1(x, size) - 128) / 128


def _antialias(x: Tensor, size: int) -> Tensor:
    y = F.interpolate(x, (size, size), mode="bilinear", align_corners=False, antialias=True)
    return (y - 128) / 128


def _pytorch_fid(x: Tensor, size: int) -> Tensor:
    return 2 * F.interpolate(x / 255, (size, size), mode="bilinear", align_corners=False) - 1


def _clean(x: Tensor, size: int) -> Tensor:
    # With antialias, torch's bicubic is Pillow's (a = -1/2), in floats without rounding to bytes.
    return (_bicubic(x, size, size) - 128) / 128


def _bicubic(x: Tensor, height: int, width: int) -> Tensor:
    y = F.interpolate(x, (height, width), mode="bicubic", align_corners=False, antialias=True)
    return y.clamp(0, 255)


def bicubic_bytes(
    x: UInt8[Tensor, "batch channel height width"], size: int
) -> Float[Tensor, "batch channel size size"]:
    """Resize as Pillow's bicubic filter does to images of bytes: to whole numbers in 0..255."""
    rows = _bicubic(x.float(), x.shape[2], size).round()  # one axis at a time, rounded after each
    return _bicubic(rows, size, size).round()


def colour(
    images: UInt8[Tensor, "batch channel *frames height width"], reader: str
) -> UInt8[Tensor, "batch 3 *frames height width"]:
    """Repeat grey pictures or clips to three channels.

    Args:
        images: grey or colour.
        reader: name of the network that reads them, for the message.

    Raises:
        ValueError: they have neither 1 nor 3 channels.
    """
    if images.shape[1] not in (1, 3):
        raise ValueError(f"{reader} sees grey or colour pictures, got {images.shape[1]} channels")
    return images.expand(-1, 3, *images.shape[2:])


RESIZES: dict[str, Resize] = {
    "tf1": _tf1,
    "antialias": _antialias,
    "pytorch_fid": _pytorch_fid,
    "clean": _clean,
}
"""Methods by name: `tf1` as in published tables (ADM, EDM, StyleGAN, torch-fidelity), `antialias`
as in TorchMetrics since 2025, `pytorch_fid`, and `clean` as in clean-fid."""
