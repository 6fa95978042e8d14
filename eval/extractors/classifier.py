"""A small classifier of the evaluated images, as a feature extractor where Inception does not fit.

Handwritten digits are unlike ImageNet, and Inception needs published weights. A classifier trained
on the labelled training set has features that separate its classes.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from eval.extractors.extractor import Features
from eval.extractors.trained import Settings, TrainedExtractor

__all__ = ["Classifier"]


class Classifier(TrainedExtractor):
    """Convolutions down to a 4 x 4 grid, one linear layer of normalised features, and logits.

    Args:
        shape: of an image, `(channels, height, width)`; designed for sides of 8 to 64 pixels.
        classes: number of classes.
        settings: of network and training; convolutions after the first are twice as wide.

    Raises:
        ValueError: the shape is not that of images.
    """

    name = "classifier"

    def __init__(
        self, shape: Sequence[int], classes: int, settings: Settings | None = None
    ) -> None:
        if len(shape) != 3:
            raise ValueError(
                f"the classifier reads images, and data of this run are {tuple(shape)}: score "
                "videos in their run, python -m eval run=... eval=motion"
            )
        super().__init__(shape, classes, settings)
        channels, *size = shape
        width, wider, side = self.settings.width, 2 * self.settings.width, max(size)
        layers = [nn.Conv2d(channels, width, 3, padding=1, bias=False), *_norm(width)]
        while side > 4:
            layers += [nn.Conv2d(width, wider, 3, 2, padding=1, bias=False), *_norm(wider)]
            width, side = wider, (side + 1) // 2
        self.convolutions = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        # Features are normalised and precede the non-linearity: their covariance has full rank, and
        # Fréchet distances have a scale of about feature_size.
        self.features = nn.Sequential(
            nn.Linear(4 * width, self.feature_size, bias=False), nn.BatchNorm1d(self.feature_size)
        )
        self.head = nn.Linear(self.feature_size, classes)
        self.freeze()

    def _features(self, images: UInt8[Tensor, "n channel height width"]) -> Features:
        pooled = self.features(self.convolutions(images.float() / 127.5 - 1))
        return Features(pooled, self.head(F.silu(pooled)))

    def _loss(
        self, images: UInt8[Tensor, "n channel height width"], labels: Int[Tensor, " n"]
    ) -> Float[Tensor, ""]:
        # Label smoothing: without it, features keep growing once the data are fitted.
        return F.cross_entropy(self._features(images).logits, labels, label_smoothing=0.1)


def _norm(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(channels), nn.SiLU()
