"""The perceptual loss of LFDM: features of VGG-19 at several resolutions.

Sources: Johnson et al., "Perceptual losses for real-time style transfer and super-resolution",
2016; Siarohin et al. 2019 for the pyramid; Ni et al. 2023 (LFDM) for the weights.
"""

import os
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from data import Batch
from ldm.hub.published import fetch
from ldm.hub.weights import put, read_state
from ldm.losses.lpips import vgg
from ldm.networks.videos.lfdm.layers import Smoothed

__all__ = ["PyramidPerceptual"]

DEPTHS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""Width and number of the convolutions of VGG-19 between its poolings."""

FIRST = (1, 6, 11, 20, 29)
"""Its layers relu1_1, ..., relu5_1."""


class PyramidPerceptual(nn.Module):
    """Absolute differences of VGG-19's features, of images at four resolutions; frozen.

    The mean over each layer, summed over layers and resolutions. It is a term of a `Regularizer`,
    for a `LatentFlow`, and compares what was painted with its target. On the meta device no weights
    are loaded: call `load` once the module has memory.

    Args:
        weights: file of torchvision's weights of VGG-19; by default cached.

    Raises:
        BadCheckpoint: the weights are missing, damaged or of another network.
    """

    mean: Float[Tensor, "3 1 1"]
    std: Float[Tensor, "3 1 1"]

    def __init__(self, weights: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        self.weights = weights
        self.features = vgg(DEPTHS)[0][: FIRST[-1] + 1]
        self.resolutions = nn.ModuleList(Smoothed(factor) for factor in (1, 2, 4, 8))
        colours = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # of ImageNet
        for name, values in zip(("mean", "std"), colours, strict=True):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)
        self.requires_grad_(False)
        self.eval()
        if not self.mean.is_meta:
            self.load()

    def load(self) -> None:
        """Read the published weights into the module; the constructor has done it, off meta."""
        path = fetch("vgg19", self.weights)
        own = self.state_dict().keys()
        state = {key: value for key, value in read_state(path).items() if key in own}
        put(state, self, path, reader="the perceptual loss (VGG-19)")

    def forward(
        self, tokenizer: Any, batch: Batch, encoded: Any, reconstruction: Batch, *_: Any
    ) -> Float[Tensor, ""]:
        """Compute the term of a batch."""
        pair = (reconstruction[key][:, :, 0] / 2 + 0.5 for key in ("x", "target"))
        return self.distance(*pair)

    def distance(
        self, x: Float[Tensor, "b c h w"], y: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, ""]:
        """Distance of images in [0, 1], grey or colour."""
        total = x.new_zeros((), dtype=torch.float32)
        for reduce in self.resolutions:
            both = zip(self._features(reduce(x)), self._features(reduce(y)), strict=True)
            total = total + sum((a - b.detach()).abs().float().mean() for a, b in both)
        return total

    def _features(self, x: Float[Tensor, "b c h w"]) -> Iterator[Float[Tensor, "b _ _ _"]]:
        x = (x - self.mean) / self.std  # one channel becomes three
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in FIRST:
                yield x
