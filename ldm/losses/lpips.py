"""LPIPS, a perceptual distance between images from the features of a pretrained classifier.

Source: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric",
2018, equation 1, with version 0.1 of its weights.
"""

import os
import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ldm.hub.published import fetch
from ldm.hub.weights import BadCheckpoint, put, read_state
from ldm.networks.images.layers import check_images

__all__ = ["LPIPS", "vgg"]


class Trunk(NamedTuple):
    """The convolutional part of a classifier, and the layers whose features are used (taps).

    Attributes:
        weights: name of its published weights.
        smallest: smallest side of an image, in pixels, that all pooling layers accept.
        channels: channels of each tap: the last ReLU before each pooling of VGG, every ReLU of
            AlexNet.
    """

    weights: str
    smallest: int
    channels: tuple[int, ...]


TRUNKS = {
    "vgg": Trunk("vgg16", 16, (64, 128, 256, 512, 512)),
    "alex": Trunk("alexnet", 31, (64, 192, 384, 256, 256)),
}


VGG16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Width and number of the convolutions of VGG-16 between its poolings."""

HEAD = re.compile(r"lin(\d)\.model\.1\.weight")  # in the authors' files, five to a network

MEAN, STD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Mean and standard deviation of ImageNet's channels in [-1, 1]."""


class LPIPS(nn.Module):
    """Learned perceptual distance of pairs of images; frozen, always in evaluation mode.

    Papers train with `vgg` and report `alex`. The distance depends on resolution: do not resize.
    One-channel images are repeated to three. On the meta device no weights are loaded: call `load`
    once the module has memory.

    Args:
        network: `vgg` (VGG-16) or `alex` (AlexNet).
        weights: file of torchvision's weights of that network; by default cached or downloaded.
        heads: file of the weights of the five taps; by default the one that TorchMetrics ships.
        input_range: images in [-1, 1] are mapped to this range before the network's normalisation.
            (0, 1) reproduces GSQ, which by mistake trained with images in [0, 1] here and tuned its
            loss weights to that.

    Raises:
        BadCheckpoint: weights are missing, damaged or belong to another network.
        ValueError: the network is unknown.

    Example:
        >>> with torch.device("meta"):
        ...     distance = LPIPS("vgg")
        >>> x = torch.zeros(2, 3, 64, 64, device="meta")
        >>> distance(x, x).shape
        torch.Size([2])
    """

    def __init__(
        self,
        network: str = "vgg",
        weights: str | os.PathLike[str] | None = None,
        heads: str | os.PathLike[str] | None = None,
        input_range: Sequence[float | int] = (-1, 1),
    ) -> None:
        super().__init__()
        if network not in TRUNKS:
            raise ValueError(f"expected a network among {sorted(TRUNKS)}, got {network!r}")
        self.network, self.trunk = network, TRUNKS[network]
        self.weights, self.heads_file = weights, heads
        self.low, self.high = input_range
        self.features, self.taps = vgg(VGG16) if network == "vgg" else _alex()
        self.heads = nn.ParameterList(torch.zeros(channels) for channels in self.trunk.channels)
        self.register_buffer("mean", torch.tensor(MEAN))
        self.register_buffer("std", torch.tensor(STD))
        self.requires_grad_(False)
        self.train(False)
        if not self.mean.is_meta:
            self.load()

    def train(self, mode: bool = True) -> "LPIPS":
        """Stay in evaluation mode, also inside a model that trains."""
        return super().train(False)

    def forward(
        self,
        x: Float[Tensor, "batch channel *grid"],
        y: Float[Tensor, "batch channel *grid"],
    ) -> Float[Tensor, " batch"]:
        """Compute the distance of each pair of images in [-1, 1]; symmetric, zero for equal ones.

        Raises:
            ValueError: these are no images, have neither one nor three channels, or are too small.
        """
        check_images(x, f"LPIPS ({self.network})", "for clips set training.loss.frames=every")
        if x.shape[1] not in (1, 3) or min(x.shape[-2:]) < self.trunk.smallest:
            raise ValueError(
                f"LPIPS ({self.network}) needs 1 or 3 channels and {self.trunk.smallest} pixels "
                f"or more a side, got pictures of {tuple(x.shape[1:])}"
            )
        pairs = zip(self._activations(x), self._activations(y), self.heads, strict=True)
        # Not a matrix product, which autocast would compute in half precision.
        return sum(((a - b).square().mean(dim=(2, 3)) * head).sum(dim=1) for a, b, head in pairs)

    def _activations(self, x: Tensor) -> Iterator[Float[Tensor, "batch channel _ _"]]:
        """Yield the features of each tap, normalised to unit length over channels."""
        x = (x + 1) / 2 * (self.high - self.low) + self.low
        x = (x - self.mean.view(3, 1, 1)) / self.std.view(3, 1, 1)  # one channel becomes three
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.taps:
                tap = x.float()  # differences of near-equal features need single precision
                # The constant under the root gives pixels with zero features a finite gradient.
                yield tap / (tap.square().sum(dim=1, keepdim=True) + 1e-10).sqrt()

    def load(self) -> None:
        """Read the published weights into the module; the constructor has done it, off meta."""
        path = fetch(self.trunk.weights, self.weights)
        own = {k: v for k, v in read_state(path).items() if k.startswith("features.")}
        heads_path = _heads_file(self.network) if self.heads_file is None else Path(self.heads_file)
        for key, head in read_state(heads_path).items():
            own[HEAD.sub(r"heads.\1", key)] = head.flatten()
        own |= {"mean": torch.tensor(MEAN), "std": torch.tensor(STD)}
        put(own, self, path, reader=f"LPIPS ({self.network})")


def vgg(depths: Sequence[tuple[int, int]]) -> tuple[nn.Sequential, tuple[int, ...]]:
    """Build the convolutions of a VGG, in torchvision's layout, and list the last ReLU of each.

    Args:
        depths: width and number of the convolutions before each pooling.
    """
    layers: list[nn.Module] = []
    taps, channels = [], 3
    for width, depth in depths:
        if layers:
            layers.append(nn.MaxPool2d(2))
        for _ in range(depth):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        taps.append(len(layers) - 1)
    return nn.Sequential(*layers), tuple(taps)


def _alex() -> tuple[nn.Sequential, tuple[int, ...]]:
    layers = [
        *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(inplace=True)),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(inplace=True)),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(inplace=True)),
    ]
    return nn.Sequential(*layers), (1, 4, 7, 9, 11)


def _heads_file(network: str) -> Path:
    package = find_spec("torchmetrics")
    if package is None or package.origin is None:
        raise BadCheckpoint(
            "LPIPS reads its taps' weights from torchmetrics: install it, or name a file with "
            "heads=... (lpips/weights/v0.1 of the authors' release)"
        )
    return Path(package.origin).parent / "functional" / "image" / "lpips_models" / f"{network}.pth"
