"""A discriminator of frozen DINOv2 features, with a trained head at each of five depths.

Sources: Sauer et al., "StyleGAN-T", 2023, section 3.2; as changed by Wang et al. 2024 (GSQ): plain
batch normalisation, and no spectral normalisation.
"""

import math
import os
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ldm.losses.dinov2 import DINOv2, normalized
from ldm.networks.images.augmentation import augmented, check_augmentations
from ldm.networks.images.layers import check_images

__all__ = ["DINODiscriminator"]

DEPTHS = (0, 3, 6, 9, 12)  # blocks before the features


class Residual(nn.Module):
    """The sum of its input and what a module makes of it, divided by the root of two."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Float[Tensor, "b d n"]) -> Float[Tensor, "b d n"]:
        return (self.inner(x) + x) / math.sqrt(2)


def layer(channels: int, kernel: int) -> nn.Sequential:
    """Build a convolution along the tokens, circular, with batch normalisation and LeakyReLU."""
    return nn.Sequential(
        nn.Conv1d(channels, channels, kernel, padding=kernel // 2, padding_mode="circular"),
        nn.BatchNorm1d(channels),
        nn.LeakyReLU(0.2),
    )


class DINODiscriminator(nn.Module):
    """Logits of every token of DINOv2 ViT-S/14 with registers, at five depths.

    Images in [-1, 1] are mapped to [0, 1], augmented while training, resized to `side` by
    averaging areas, and shifted to ImageNet's mean. The features are neither trained nor saved.

    Args:
        weights: DINOv2's, see `DINOv2`.
        augment: names in `AUGMENTATIONS`.
        side: of the resized image, in pixels.

    Raises:
        BadCheckpoint: DINOv2's weights are missing, damaged, or another network's.
        ValueError: an augmentation is unknown.

    Example:
        >>> with torch.device("meta"):
        ...     discriminator = DINODiscriminator()
        >>> discriminator(torch.zeros(2, 3, 256, 256, device="meta")).shape  # 5 depths, 1374 tokens
        torch.Size([2, 6870])
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] | None = None,
        augment: Sequence[str] = ("color", "translation", "cutout"),
        side: int = 518,
    ) -> None:
        super().__init__()
        check_augmentations(augment)
        self.augment, self.side = list(augment), side
        features = DINOv2("S", weights)
        self.frozen = [features]  # a list, so neither a submodule nor saved
        self.heads = nn.ModuleList(self._head(features.width) for _ in DEPTHS)

    def forward(self, x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b logits"]:
        check_images(x, "the discriminator", "for clips set training.adversarial.frames=every")
        x = (x + 1) / 2
        if self.training:
            x = augmented(x, self.augment)
        x = normalized(F.interpolate(x, (self.side, self.side), mode="area"))
        (features,) = self.frozen
        tokens = features(x)
        logits = [
            head(tokens[depth].mT).flatten(1)
            for head, depth in zip(self.heads, DEPTHS, strict=True)
        ]
        return torch.cat(logits, dim=1)

    @staticmethod
    def _head(channels: int) -> nn.Sequential:
        return nn.Sequential(
            layer(channels, 1), Residual(layer(channels, 9)), nn.Conv1d(channels, 1, 1)
        )
