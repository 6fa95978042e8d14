"""What metrics see of a picture, and the record of how they saw it."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from jaxtyping import Float, UInt8
from torch import Tensor, nn

__all__ = ["Extractor", "Features"]


class Features(NamedTuple):
    """Features of a batch of pictures, float32.

    Attributes:
        pooled: `(batch, feature_size)`, for Fréchet and kernel distances, precision and recall.
        logits: `(batch, classes)`, for inception scores; None where there is no classifier.
        spatial: `(batch, spatial size)`, for the spatial Fréchet distance (sFID); None without.
    """

    pooled: Float[Tensor, "batch size"]
    logits: Float[Tensor, "batch classes"] | None = None
    spatial: Float[Tensor, "batch spatial"] | None = None


class Extractor(nn.Module, ABC):
    """A frozen network from the bytes of pictures to features; always in evaluation mode.

    Scores of two extractors, or of one under two protocols, are not comparable: `protocol` goes
    beside each number.
    """

    name: str
    """What scores are named by."""

    feature_size: int
    """Of one pooled feature."""

    protocol: dict[str, str | int | float]
    """All that moves the numbers: weights, resize, precision."""

    @abstractmethod
    def forward(self, images: UInt8[Tensor, "batch channel height width"]) -> Features:
        """Features of pictures, 0..255, as `eval.metrics.to_uint8` makes them."""

    def freeze(self) -> "Extractor":
        """Evaluation mode, and no gradients for the weights; a constructor's last line."""
        self.requires_grad_(False)
        return self.train(False)

    def train(self, mode: bool = True) -> "Extractor":
        """Stays in evaluation mode, also inside a model that trains."""
        return super().train(False)
