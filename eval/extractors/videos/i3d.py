"""I3D's logits of clips, for FVD and KVD.

Source: Unterthiner et al., "Towards accurate generative models of video: a new metric and
challenges", 2018. Two files of weights are in use, which papers do not mix: a TorchScript of
TensorFlow's network (StyleGAN-V), and a PyTorch port (VideoGPT; DIGAN, TATS, PVDM, LVDM, cd-fvd).
"""

import os

from jaxtyping import Float
from torch import Tensor

from eval.extractors.extractor import Features
from eval.extractors.videos.clip_extractor import INSIDE, ClipExtractor, ScriptedExtractor
from eval.extractors.videos.i3d_network import FEWEST_FRAMES, I3DNetwork
from ldm.hub.weights import put, read_state

__all__ = ["I3D", "ScriptedI3D"]


class I3D(ClipExtractor):
    """The 400 logits of our network with the weights of the port, averaged over time.

    Args:
        weights: as for `ClipExtractor`, and so is what is raised.
    """

    name, feature_size, least = "i3d", 400, FEWEST_FRAMES
    published = "i3d_pretrained_400"
    described = "I3D of Kinetics-400, port, logits averaged over time"

    def __init__(self, weights: str | os.PathLike[str] | None = None) -> None:
        super().__init__(weights)
        self.network = I3DNetwork()
        put(read_state(self.path), self.network, self.path, reader="I3D")
        self.freeze()

    def _features(self, x: Float[Tensor, "n 3 t 224 224"]) -> Features:
        return Features(self.network(x / 127.5 - 1))


class ScriptedI3D(ScriptedExtractor):
    """The 400 logits of the TorchScript, averaged over time.

    The file holds a module that is called as `network(clips, rescale=True, resize=True,
    return_features=True)`, with clips `(n, 3, t, h, w)` in 0..255, and gives features `(n, 400)`:
    `rescale` maps pixels to [-1, 1], `resize` to 224 x 224.

    Args:
        weights: as for `ClipExtractor`, and so is what is raised.
    """

    name, feature_size, least = "i3d", 400, FEWEST_FRAMES
    published = "i3d_torchscript"
    described = "I3D of Kinetics-400, torchscript, logits averaged over time"
    called = "network(clips, rescale=True, resize=True, return_features=True)"
    given = "i3d_torchscript.pt of StyleGAN-V"

    def _features(self, x: Float[Tensor, "n 3 t h w"]) -> Features:
        inside = self.resize == INSIDE
        found = self.network(x, rescale=True, resize=inside, return_features=True)
        return Features(found.float())
