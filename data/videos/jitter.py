"""Random changes of colour, the same for all frames of a clip."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from torch import Tensor

from data.files.errors import DataError
from data.order import mix

__all__ = ["Jitter"]

JITTER = 2  # stream id that keeps these draws apart from those of which frames a clip has


@dataclass(frozen=True)
class Jitter:
    """Changes brightness, contrast, saturation and hue as torchvision defines them, in any order.

    Factors of the first three are uniform in [1 - a, 1 + a], not below 0; that of the hue in
    [-a, a]. They are functions of a key, so that a clip of one seed is always the same.

    Args:
        brightness, contrast, saturation: `a` of each, 0 or more; 0 changes nothing.
        hue: its `a`, turns around the circle of hues, up to 0.5.

    Raises:
        DataError: a number is out of range.

    Example:
        >>> import torch
        >>> Jitter(brightness=0.1)(torch.zeros(3, 2, 4, 4), key=0).shape
        torch.Size([3, 2, 4, 4])
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __post_init__(self) -> None:
        if min(self.brightness, self.contrast, self.saturation) < 0 or not 0 <= self.hue <= 0.5:
            raise DataError(f"colours change by 0 or more, and hues by at most 0.5, got {self}")

    def __call__(self, clip: Float32[Tensor, "c t h w"], key: int) -> Float32[Tensor, "c t h w"]:
        """Change the colours of a clip in [-1, 1].

        Args:
            clip: grey or in colour.
            key: seed of the changes, below 2^63.
        """
        from torchvision.transforms.v2 import functional  # late: it takes long to import

        uniform = (mix(key, JITTER, np.arange(8)) >> np.uint64(11)) / 2.0**53  # in [0, 1)
        frames = clip.transpose(0, 1).add(1).div(2)
        for kind in np.argsort(uniform[4:]):
            name = ("brightness", "contrast", "saturation", "hue")[kind]
            if most := getattr(self, name):
                low, high = (-most, most) if name == "hue" else (max(1 - most, 0), 1 + most)
                factor = float(low + (high - low) * uniform[kind])
                frames = getattr(functional, f"adjust_{name}")(frames, factor)
        return frames.mul(2).sub(1).transpose(0, 1)
