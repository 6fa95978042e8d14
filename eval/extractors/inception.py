"""Inception features, for FID, sFID, KID, inception score, and precision and recall."""

import os

import torch
from jaxtyping import UInt8
from torch import Tensor

from data.files.download import digest
from eval.extractors.extractor import Extractor, Features
from eval.extractors.inception_network import INPUT_SIZE, InceptionNetwork
from eval.extractors.resize import RESIZES, colour
from ldm.hub.published import fetch
from ldm.hub.weights import put, read_state

__all__ = ["Inception"]


class Inception(Extractor):
    """FID's network with one of the common resize methods, in float32 whatever surrounds it.

    Grey pictures are repeated to three channels.

    Args:
        resize: a name in `eval.extractors.resize.RESIZES`: `tf1` for published tables.
        weights: file of the published weights; by default found in a cache or downloaded.
        precision: `float32`; or `bfloat16` for autocast to it, as GSQ's tables were computed.

    Raises:
        BadCheckpoint: the weights are unavailable, or the file is damaged or another network's.
        ValueError: the resize is unknown.
    """

    name = "inception"
    feature_size, spatial_size = 2048, 2023

    def __init__(
        self,
        resize: str = "tf1",
        weights: str | os.PathLike[str] | None = None,
        precision: str = "float32",
    ) -> None:
        super().__init__()
        if precision not in ("float32", "bfloat16"):
            raise ValueError(f"expected float32 or bfloat16, got {precision!r}")
        self.narrow = precision == "bfloat16"
        if resize not in RESIZES:
            raise ValueError(f"expected a resize among {sorted(RESIZES)}, got {resize!r}")
        self.resize = RESIZES[resize]
        path = fetch("inception", weights)
        self.network = InceptionNetwork()
        put(read_state(path), self.network, path, reader="Inception")
        self.protocol = {
            "extractor": "Inception 2015-12-05",
            "weights": digest(path)[:8],
            "resize": resize,
            "precision": precision,
        }
        self.freeze()

    def forward(self, images: UInt8[Tensor, "batch channel height width"]) -> Features:
        x = self.resize(colour(images, "Inception").float(), INPUT_SIZE)
        # TF32 and autocast change FID by more than the differences in many papers.
        exact = torch.backends.cudnn.flags(allow_tf32=False)
        autocast = torch.autocast(images.device.type, torch.bfloat16, enabled=self.narrow)
        with torch.no_grad(), autocast, exact:
            pooled, spatial, logits = self.network(x)
        return Features(pooled.float(), logits.float(), spatial.float())
