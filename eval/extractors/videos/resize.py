"""Methods that bring clips to the 224 x 224 pixels that I3D reads; scores depend on the choice."""

import math
from collections.abc import Callable

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from eval.extractors.resize import resize_tf1

__all__ = ["CLIP_RESIZES"]

ClipResize = Callable[[Float[Tensor, "b c t h w"], int], Float[Tensor, "b c t side side"]]
"""Map from clips, in any units, and a side."""


def _by_frame(x: Tensor, resize: Callable[[Tensor], Tensor]) -> Tensor:
    frames = resize(x.movedim(2, 1).flatten(0, 1))
    return frames.unflatten(0, (len(x), x.shape[2])).movedim(1, 2)


def _squash(x: Tensor, side: int) -> Tensor:
    return _by_frame(x, lambda y: _bilinear(y, side, side))


def _cover(x: Tensor, side: int) -> Tensor:
    scale = side / min(x.shape[-2:])
    height, width = (math.ceil(length * scale - 1e-9) for length in x.shape[-2:])
    return _middle(_by_frame(x, lambda y: _bilinear(y, height, width)), side)


def _square(x: Tensor, side: int) -> Tensor:
    return _squash(_middle(x, min(x.shape[-2:])), side)


def _tf1(x: Tensor, side: int) -> Tensor:
    return _by_frame(x, lambda y: resize_tf1(y, side))


def _bilinear(y: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(y, (height, width), mode="bilinear", align_corners=False)


def _middle(x: Tensor, side: int) -> Tensor:
    top, left = ((length - side) // 2 for length in x.shape[-2:])
    return x[..., top : top + side, left : left + side]


CLIP_RESIZES: dict[str, ClipResize] = {
    "squash": _squash,
    "cover": _cover,
    "square": _square,
    "tf1": _tf1,
}
"""Methods by name, all bilinear without antialiasing: `squash` to the square whatever the sides, as
TATS; `cover`, the shorter side to 224 and the middle cut out, as VideoGPT; `square`, the middle
square first, which is squashed, as cd-fvd; `tf1` as TensorFlow 1, which samples at corners."""
