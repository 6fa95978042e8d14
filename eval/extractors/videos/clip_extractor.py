"""The base classes of published networks of clips, behind the resize that a protocol chooses."""

import os
from abc import abstractmethod
from copy import copy
from typing import ClassVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from data.files.download import digest
from eval.extractors.extractor import Extractor, Features
from eval.extractors.resize import colour
from eval.extractors.videos.resize import CLIP_RESIZES
from ldm.hub.published import fetch
from ldm.hub.weights import BadCheckpoint, read_script

__all__ = ["INSIDE", "ClipExtractor", "ScriptedExtractor"]

INSIDE = "network"
"""Name of the resize that a network does itself."""


class ClipExtractor(Extractor):
    """A published network of clips, always in float32. Grey clips are repeated to three channels.

    Args:
        weights: file of the weights; by default found in a cache.

    Raises:
        BadCheckpoint: the weights are unavailable, or the file is damaged or another network's.
    """

    published: ClassVar[str]
    """Name of the weights in the register of published ones."""

    described: ClassVar[str]
    """Name of the network in protocols."""

    resize: str = "squash"
    """A name in `eval.extractors.videos.resize.CLIP_RESIZES`, or `INSIDE`."""

    side: ClassVar[int] = 224
    """Sides of the frames that the network reads, pixels."""

    least: ClassVar[int]
    """Fewest frames that the network reads."""

    most: ClassVar[int | None] = None
    """Most frames that it reads; None for any number."""

    classifies = False

    def __init__(self, weights: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        self.path = fetch(self.published, weights)
        self.protocol = {
            "extractor": self.described,
            "weights": digest(self.path)[:8],
            "resize": self.resize,
            "precision": "float32",
        }

    @abstractmethod
    def _features(self, x: Float[Tensor, "n 3 t h w"]) -> Features:
        """Compute features of resized clips, whose pixels are in 0..255."""

    def forward(self, images: UInt8[Tensor, "n c t h w"]) -> Features:
        if not self.reads(images.shape[2]):
            raise ValueError(f"{self.name} reads {self.frames()}, got clips of {images.shape[2]}")
        x = colour(images, self.name).float()
        if self.resize != INSIDE:
            x = CLIP_RESIZES[self.resize](x, self.side)
        exact = torch.backends.cudnn.flags(allow_tf32=False)
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False), exact:
            return self._features(x)

    def resized(self, resize: str) -> "ClipExtractor":
        """Return the same network, its weights shared, behind another resize."""
        other = copy(self)
        other.resize, other.protocol = resize, {**self.protocol, "resize": resize}
        return other

    @classmethod
    def reads(cls, frames: int) -> bool:
        """Return True for clips of a length that the network reads."""
        return cls.least <= frames and (cls.most is None or frames <= cls.most)

    @classmethod
    def frames(cls) -> str:
        """Lengths of clips that the network reads, in words."""
        return f"{cls.least} frames" + (" or more" if cls.most is None else "")


class ScriptedExtractor(ClipExtractor):
    """A network as TorchScript, which is called once, so that another one fails before training."""

    resize = INSIDE

    called: ClassVar[str]
    """How the network is called, in messages."""

    given: ClassVar[str]
    """The file that is meant, in messages."""

    def __init__(self, weights: str | os.PathLike[str] | None = None) -> None:
        super().__init__(weights)
        self.network = read_script(self.path)
        self.freeze()
        try:
            found = self(torch.zeros(2, 3, self.least, 32, 32, dtype=torch.uint8)).pooled
        except (RuntimeError, TypeError, AttributeError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise BadCheckpoint(
                f"{self.path} cannot be called as {self.called}: {reason}; give {self.given}"
            ) from error
        if found.shape != (2, self.feature_size) or not found.isfinite().all():
            raise BadCheckpoint(
                f"{self.path} gives features of shape {tuple(found.shape)} for 2 clips, not (2, "
                f"{self.feature_size}), or some are not finite: give {self.given}"
            )
