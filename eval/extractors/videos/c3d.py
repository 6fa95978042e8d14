"""C3D's classes of UCF-101, for the inception score of videos.

Sources: Tran et al., "Learning spatiotemporal features with 3D convolutional networks", 2015; Saito
et al., "Train sparsely, generate densely", 2020 (TGANv2), whose network is ported.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from eval.extractors.extractor import Features
from eval.extractors.videos.clip_extractor import ScriptedExtractor

__all__ = ["C3D"]


class C3D(ScriptedExtractor):
    """Predictions of the 101 classes of UCF-101 from 16 frames, of a TorchScript.

    The file holds a module that is called as `network(clips)`, with clips `(n, 3, 16, h, w)`,
    float32 in 0..255, and gives `(n, 101)`: probabilities, or logits. What it was trained with, the
    resize and the mean that is subtracted, is inside it. Our sources do not say how the published
    file is called: this interface is ours, and a file of another one is refused.

    Args:
        weights: as for `ClipExtractor`, and so is what is raised.
    """

    name, feature_size, least, most, classifies = "c3d", 101, 16, 16, True
    published = "c3d_ucf101"
    described = "C3D of UCF-101, probabilities of classes"
    called = "network(clips)"
    given = "c3d_ucf101.pt of StyleGAN-V, or one that eval/extractors/videos/c3d.py describes"

    def _features(self, x: Float[Tensor, "n 3 16 h w"]) -> Features:
        found = self.network(x).float()
        if _probabilities(found):
            # Of single precision, so that no probability of zero has an infinite logarithm.
            found = found.clamp(min=torch.finfo(torch.float32).tiny).log()
        return Features(found, found)


def _probabilities(found: Float[Tensor, "n classes"]) -> bool:
    """Tell rows that are not negative and have a sum of 1 from logits."""
    return bool((found >= 0).all() and ((found.sum(1) - 1).abs() < 1e-3).all())
