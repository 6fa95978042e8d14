"""A small classifier of motions, as a feature extractor of videos without published weights.

It is trained on frames of the evaluated data that are moved in known directions at known speeds,
and on whole clips with their labels where the data has labels. So its features tell motions and
classes apart. Distances on them are not FVD.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from eval.extractors.extractor import Features
from eval.extractors.trained import Settings, TrainedExtractor

__all__ = ["MOTIONS", "MotionClassifier", "moved"]

SIDE, FRAMES = 32, 8  # the most that the network reads: larger and longer clips are reduced

MOTIONS = [(0, 0)] + [
    (speed * down, speed * right)
    for speed in (1, 3)
    for down in (-1, 0, 1)
    for right in (-1, 0, 1)
    if (down, right) != (0, 0)
]
"""Pixels, down and right, that a picture moves from frame to frame: none, or 8 directions at two
speeds."""


class MotionClassifier(TrainedExtractor):
    """Convolutions in space and time, one linear layer of normalised features, and logits.

    Clips are averaged down to at most 32 pixels a side, and thinned to at most 8 frames.

    Args:
        shape: of a clip, `(channels, frames, height, width)`.
        classes: number of classes; 0 for motions alone.
        settings: of network and training; each convolution is twice as wide as the one before.

    Example:
        >>> clips = torch.zeros(2, 3, 16, 64, 64, dtype=torch.uint8)
        >>> MotionClassifier([3, 16, 64, 64], classes=10)(clips).logits.shape
        torch.Size([2, 10])
    """

    name = "motion_classifier"
    default = Settings(width=16, samples=40_000)
    needs_labels = False

    def __init__(
        self, shape: Sequence[int], classes: int, settings: Settings | None = None
    ) -> None:
        super().__init__(shape, classes, settings)
        self.classifies = classes > 0
        width, layers, halve = shape[0], [], 1 + (max(shape[2:]) > 16)
        for factor, stride in ((1, (1, halve, halve)), (2, 2), (8, 2)):
            wider = self.settings.width * factor
            layers += [nn.Conv3d(width, wider, 3, stride, padding=1, bias=False)]
            layers += [nn.BatchNorm3d(wider), nn.SiLU()]
            width = wider
        self.convolutions = nn.Sequential(*layers, nn.AdaptiveMaxPool3d(1), nn.Flatten())
        self.features = nn.Sequential(  # as in `Classifier`
            nn.Linear(width, self.feature_size, bias=False), nn.BatchNorm1d(self.feature_size)
        )
        self.head = nn.Linear(self.feature_size, classes) if classes else None
        self.motions = nn.Linear(self.feature_size, len(MOTIONS))
        self.freeze()

    def _prepared(self, images: UInt8[Tensor, "n c t h w"]) -> UInt8[Tensor, "n c _ _ _"]:
        images = images[:, :, :: math.ceil(images.shape[2] / FRAMES)]
        size = [min(side, SIDE) for side in images.shape[-2:]]
        if images.shape[-2:] == torch.Size(size):
            return images
        small = F.adaptive_avg_pool2d(images.float().flatten(0, 2), size).round().byte()
        return small.unflatten(0, images.shape[:3])

    def _features(self, images: UInt8[Tensor, "n c t h w"]) -> Features:
        pooled = self._pooled(images)
        return Features(pooled, None if self.head is None else self.head(F.silu(pooled)))

    def _pooled(self, images: UInt8[Tensor, "n c t h w"]) -> Float[Tensor, "n size"]:
        return self.features(self.convolutions(images.float() / 127.5 - 1))

    def _loss(
        self, images: UInt8[Tensor, "n c t h w"], labels: Int[Tensor, " n"]
    ) -> Float[Tensor, ""]:
        part = images[::4]  # motions are learned sooner than classes
        motion = torch.arange(len(part)) % len(MOTIONS)
        pooled = self._pooled(torch.cat([images, moved(part, motion)]))
        clips, others = F.silu(pooled).split([len(images), len(part)])
        loss = F.cross_entropy(self.motions(others), motion, label_smoothing=0.1)
        if self.head is not None:
            loss = loss + F.cross_entropy(self.head(clips), labels, label_smoothing=0.1)
        return loss

    def _judged(
        self, images: UInt8[Tensor, "n c t h w"], labels: Int[Tensor, " n"]
    ) -> dict[str, float]:
        classes = {"accuracy": self.accuracy(images, labels)} if self.head is not None else {}
        return {**classes, "motion_accuracy": self.motion_accuracy(images)}

    @torch.no_grad()
    def motion_accuracy(self, images: UInt8[Tensor, "n c t h w"]) -> float:
        """Fraction of first frames whose motion is named, of as many in each of the `MOTIONS`."""
        right = []
        for part in self._prepared(images).split(250):
            motion = torch.arange(len(part)) % len(MOTIONS)
            found = self.motions(F.silu(self._pooled(moved(part, motion)))).argmax(1)
            right.append(found == motion)
        return torch.cat(right).double().mean().item()


def moved(
    images: UInt8[Tensor, "n c t h w"], motion: Int[Tensor, " n"]
) -> UInt8[Tensor, "n c t h w"]:
    """Move the first frame of each clip, with borders that wrap around.

    Args:
        images: the clips.
        motion: position in `MOTIONS` of the motion of each.
    """
    frames = []
    for clip, index in zip(images, motion.tolist(), strict=True):
        steps = range(images.shape[2])
        down, right = MOTIONS[index]
        frames.append(
            torch.stack([clip[:, 0].roll((k * down, k * right), (1, 2)) for k in steps], 1)
        )
    return torch.stack(frames)
