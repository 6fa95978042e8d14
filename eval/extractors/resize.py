"""Methods that resize pictures to a network's input size; scores depend on the choice.

Sources: Parmar et al., "On aliased resizing and surprising subtleties in GAN evaluation", 2022, for
`clean`; the resize of TensorFlow 1 (`ResizeBilinear` with its defaults) for `tf1`.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["RESIZES", "resize_tf1"]

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
    y = F.interpolate(x, (size, size), mode="bicubic", align_corners=False, antialias=True)
    return (y.clamp(0, 255) - 128) / 128


RESIZES: dict[str, Resize] = {
    "tf1": _tf1,
    "antialias": _antialias,
    "pytorch_fid": _pytorch_fid,
    "clean": _clean,
}
"""Methods by name: `tf1` as in published tables (ADM, EDM, StyleGAN, torch-fidelity), `antialias`
as in TorchMetrics since 2025, `pytorch_fid`, and `clean` as in clean-fid."""
