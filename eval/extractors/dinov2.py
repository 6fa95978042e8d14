"""DINOv2's features, for FD-DINOv2 and the kernel distance on them.

Source: Stein et al., "Exposing flaws of generative model evaluation metrics and their unfair
treatment of diffusion models", 2023: the class token of ViT-L/14, normalised, of images that
Pillow's bicubic filter has made 224 pixels square.
"""

import os

import torch
from jaxtyping import UInt8
from torch import Tensor

from data.files.download import digest
from eval.extractors.extractor import Extractor, Features
from eval.extractors.resize import bicubic_bytes, colour
from ldm.hub.published import fetch
from ldm.losses.dinov2 import DINOv2, normalized

__all__ = ["DINOv2Features"]

SIDE = 224


class DINOv2Features(Extractor):
    """The class token of DINOv2's ViT-L/14, always in float32.

    Args:
        weights: file of the published weights; by default found in a cache.

    Raises:
        BadCheckpoint: the weights are unavailable, or the file is damaged or another network's.
    """

    name, feature_size, classifies = "dinov2", 1024, False

    def __init__(self, weights: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        path = fetch("dinov2_vitl14", weights)
        self.network = DINOv2("L", path)
        self.feature_size = self.network.width
        self.protocol = {
            "extractor": "DINOv2 ViT-L/14, class token",
            "weights": digest(path)[:8],
            "resize": f"bicubic to {SIDE} x {SIDE}, antialiased, bytes",
            "precision": "float32",
        }
        self.freeze()

    def forward(self, images: UInt8[Tensor, "batch channel height width"]) -> Features:
        x = normalized(bicubic_bytes(colour(images, "DINOv2"), SIDE) / 255)
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return Features(self.network.norm(self.network(x)[-1])[:, 0])
