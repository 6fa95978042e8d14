"""CLIP's embeddings of images, for CMMD.

Source: Jayasumana et al., "Rethinking FID: towards a better evaluation metric for image
generation", 2024: ViT-L/14 at 336 pixels, projected and of unit length.
"""

import os

import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor

from data.files.download import digest
from eval.extractors.clip_network import CLIPVision
from eval.extractors.extractor import Extractor, Features
from eval.extractors.resize import bicubic_bytes, colour
from ldm.hub.published import fetch
from ldm.hub.weights import put, read_state

__all__ = ["CLIPFeatures"]

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
VISION = ("vision_model.", "visual_projection.")  # the rest of the file reads text


class CLIPFeatures(Extractor):
    """Unit vectors of 768 numbers from CLIP's ViT-L/14 at 336 pixels, always in float32.

    Images are resized to a square, whatever their sides.

    Args:
        weights: file of the published weights, under the names of Hugging Face's; by default found
            in a cache.

    Raises:
        BadCheckpoint: the weights are unavailable, or the file is damaged or another network's.
    """

    name, feature_size, classifies, bandwidth = "clip", 768, False, 10.0

    def __init__(self, weights: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        path = fetch("clip_vitl14_336", weights)
        self.network = CLIPVision()
        state = {key: x for key, x in read_state(path).items() if key.startswith(VISION)}
        state.pop("vision_model.embeddings.position_ids", None)  # 0, 1, 2, ... in older files
        put(state, self.network, path, reader="CLIP's ViT-L/14 at 336 pixels")
        self.feature_size = self.network.visual_projection.out_features
        self.protocol = {
            "extractor": "CLIP ViT-L/14 at 336 pixels, projected, of unit length",
            "weights": digest(path)[:8],
            "resize": f"bicubic to {self.network.side} x {self.network.side}, antialiased, bytes",
            "precision": "float32",
        }
        self.freeze()

    def forward(self, images: UInt8[Tensor, "batch channel height width"]) -> Features:
        x = bicubic_bytes(colour(images, "CLIP"), self.network.side) / 255
        mean, std = (torch.tensor(value, device=x.device).view(3, 1, 1) for value in (MEAN, STD))
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return Features(F.normalize(self.network((x - mean) / std), dim=1))
