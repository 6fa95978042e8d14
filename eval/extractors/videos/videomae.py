"""VideoMAE v2's features of clips, on which FVD is less blind to motion than on I3D.

Source: Ge et al., "On the content bias in Fréchet video distance", 2024 (cd-fvd): ViT-g, fine-tuned
on Something-Something v2, the normalised mean of its tokens.
"""

import os

from jaxtyping import Float
from torch import Tensor

from eval.extractors.extractor import Features
from eval.extractors.videos.clip_extractor import ClipExtractor
from eval.extractors.videos.videomae_network import VideoMAEEncoder, from_authors
from ldm.hub.weights import put, read_state

__all__ = ["VideoMAE"]


class VideoMAE(ClipExtractor):
    """The 1,408 features of clips of 16 frames, whose pixels are in [0, 1], not normalised further.

    Args:
        weights: as for `ClipExtractor`, and so is what is raised.
    """

    name, feature_size, least, most = "videomae", 1408, 16, 16
    published = "videomae_vitg_ssv2"
    described = "VideoMAE v2 ViT-g of Something-Something v2, normalised mean of the tokens"

    def __init__(self, weights: str | os.PathLike[str] | None = None) -> None:
        super().__init__(weights)
        self.network = VideoMAEEncoder()
        self.feature_size = self.network.fc_norm.weight.numel()
        state = from_authors(read_state(self.path))
        put(state, self.network, self.path, reader="VideoMAE v2's ViT-g of 174 classes")
        self.freeze()

    def _features(self, x: Float[Tensor, "n 3 16 224 224"]) -> Features:
        return Features(self.network(x / 255))
