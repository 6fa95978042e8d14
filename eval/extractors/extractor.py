"""The base class of feature extractors, with the protocol of their use."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from jaxtyping import Float, UInt8
from torch import Tensor, nn

__all__ = ["Extractor", "Features"]


class Features(NamedTuple):
    """Features of a batch of pictures or clips, float32.

    Attributes:
        pooled: `(batch, feature_size)`, for Fréchet and kernel distances, precision and recall.
        logits: `(batch, classes)`, for inception scores; None where there is no classifier.
        spatial: `(batch, spatial size)`, for the spatial Fréchet distance (sFID); None without.
    """

    pooled: Float[Tensor, "batch size"]
    logits: Float[Tensor, "batch classes"] | None = None
    spatial: Float[Tensor, "batch spatial"] | None = None


class Extractor(nn.Module, ABC):
    """A frozen network from pictures or clips, as bytes, to features; always in evaluation mode.

    Scores of two extractors, or of one under two protocols, are not comparable: `protocol` is
    recorded with each score.
    """

    name: str
    """Name of the extractor in the names of scores."""

    feature_size: int
    """Length of one pooled feature vector."""

    spatial_size: int = 0
    """Length of one vector of spatial features; 0 without."""

    classifies: bool = True
    """False where features have no logits, and so no inception score."""

    bandwidth: float | None = None
    """Bandwidth of the Gaussian kernel in which sets of features are compared (CMMD); None for no
    such comparison."""

    protocol: dict[str, str | int | float]
    """Everything that affects scores: weights, resize, precision."""

    @abstractmethod
    def forward(self, images: UInt8[Tensor, "batch channel *frames height width"]) -> Features:
        """Features of pixels in 0..255, as `eval.metrics.to_uint8` returns them."""

    def freeze(self) -> "Extractor":
        """Set evaluation mode and disable gradients of the weights; called last in constructors."""
        self.requires_grad_(False)
        return self.train(False)

    def train(self, mode: bool = True) -> "Extractor":
        """Stay in evaluation mode, also inside a model that is trained."""
        return super().train(False)
