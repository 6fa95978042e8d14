"""I3D's logits of clips, for FVD and KVD.

Source: Unterthiner et al., "Towards accurate generative models of video: a new metric and
challenges", 2018. Two files of weights are in use, which papers do not mix: a TorchScript of
TensorFlow's network (StyleGAN-V), and a PyTorch port (VideoGPT; DIGAN, TATS, PVDM, LVDM, cd-fvd).
"""

import os
from typing import Literal

import torch
from jaxtyping import UInt8
from torch import Tensor

from data.files.download import digest
from eval.extractors.extractor import Extractor, Features
from eval.extractors.resize import colour
from eval.extractors.videos.i3d_network import FEWEST_FRAMES, INPUT_SIZE, I3DNetwork
from eval.extractors.videos.resize import CLIP_RESIZES
from ldm.hub.published import fetch
from ldm.hub.weights import BadCheckpoint, put, read_script, read_state

__all__ = ["I3D"]


class I3D(Extractor):
    """I3D's 400 logits, averaged over time, before the softmax; always in float32.

    The TorchScript file holds a module that is called as `network(clips, rescale=True, resize=True,
    return_features=True)`, with clips `(n, 3, t, h, w)` in 0..255, and gives features `(n, 400)`:
    `rescale` maps pixels to [-1, 1], `resize` to 224 x 224. Grey clips are repeated to three
    channels.

    Args:
        network: `torchscript`, or `port` for our network with the weights of the PyTorch port.
        resize: a name in `eval.extractors.videos.resize.CLIP_RESIZES`, or `network` for that inside
            the TorchScript.
        weights: file of the weights; by default found in a cache.

    Raises:
        BadCheckpoint: the weights are unavailable, or the file is damaged or another network's.
    """

    name, feature_size, classifies = "i3d", 400, False

    def __init__(
        self,
        network: Literal["torchscript", "port"],
        resize: str,
        weights: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        self.scripted, self.resize = network == "torchscript", resize
        path = fetch("i3d_torchscript" if self.scripted else "i3d_pretrained_400", weights)
        if self.scripted:
            self.network = read_script(path)
        else:
            self.network = I3DNetwork()
            put(read_state(path), self.network, path, reader="I3D")
        self.protocol = {
            "extractor": f"I3D of Kinetics-400, {network}, logits averaged over time",
            "weights": digest(path)[:8],
            "resize": resize,
            "precision": "float32",
        }
        self.freeze()
        if self.scripted:
            self._rehearse(path)

    def forward(self, images: UInt8[Tensor, "n c t h w"]) -> Features:
        if images.shape[2] < FEWEST_FRAMES:
            raise ValueError(
                f"I3D needs {FEWEST_FRAMES} frames or more, got clips of {images.shape[2]}"
            )
        x = colour(images, "I3D").float()
        if self.resize != "network":
            x = CLIP_RESIZES[self.resize](x, INPUT_SIZE)
        exact = torch.backends.cudnn.flags(allow_tf32=False)
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False), exact:
            return Features(self._logits(x).float())

    def _logits(self, x: Tensor) -> Tensor:
        if not self.scripted:
            return self.network(x / 127.5 - 1)
        inside = self.resize == "network"
        return self.network(x, rescale=True, resize=inside, return_features=True)

    def _rehearse(self, path: os.PathLike[str]) -> None:
        """Call a TorchScript once, so that a file of another interface fails before training.

        Raises:
            BadCheckpoint: it cannot be called so, or gives something else.
        """
        try:
            found = self(torch.zeros(2, 3, FEWEST_FRAMES, 32, 32, dtype=torch.uint8)).pooled
        except (RuntimeError, TypeError, AttributeError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise BadCheckpoint(
                f"{path} cannot be called as network(clips, rescale=True, resize=True, "
                f"return_features=True): {reason}; give i3d_torchscript.pt of StyleGAN-V"
            ) from error
        if found.shape != (2, self.feature_size) or not found.isfinite().all():
            raise BadCheckpoint(
                f"{path} gives features of shape {tuple(found.shape)} for 2 clips, not (2, "
                f"{self.feature_size}), or some are not finite: give i3d_torchscript.pt of "
                f"StyleGAN-V"
            )
