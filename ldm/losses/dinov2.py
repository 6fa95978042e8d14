"""DINOv2's features of images, from the authors' weights; frozen.

Sources: Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", 2023;
Darcet et al., "Vision Transformers Need Registers", 2024.
"""

import os
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from ldm.hub.dinov2 import read_dinov2
from ldm.hub.published import fetch
from ldm.hub.weights import put, read_state
from ldm.networks.images.vision_transformer import SIZES, VisionTransformer

__all__ = ["DINOv2", "PatchFeatures", "normalized"]

PUBLISHED = {"S": ("dinov2_vits14_reg", 4), "L": ("dinov2_vitl14", 0)}  # names, and registers
FILES = (".pth", ".pt", ".safetensors", ".bin")  # ends of their names
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's channels in [0, 1]


class DINOv2(VisionTransformer):
    """A frozen vision transformer of patches of 14 pixels, always in evaluation mode.

    On the meta device no weights are loaded: call `load` once the module has memory.

    Args:
        size: "S" with four registers or "L" without; `VisionTransformer` has other sizes.
        weights: file of the authors' weights; or folder of such a network of the library
            transformers, or its name on the Hugging Face hub; by default a cached file of the
            authors, see `ldm.hub.published`.

    Raises:
        BadCheckpoint: weights are missing, damaged or belong to another network.
        ValueError: the size is unknown.

    Example:
        >>> with torch.device("meta"):
        ...     network = DINOv2("S")
        >>> network(torch.zeros(1, 3, 518, 518, device="meta"))[-1].shape
        torch.Size([1, 1374, 384])
    """

    def __init__(self, size: str, weights: str | os.PathLike[str] | None = None) -> None:
        if size not in PUBLISHED:
            raise ValueError(f"expected a size among {', '.join(PUBLISHED)}, got {size!r}")
        self.name, registers = PUBLISHED[size]
        super().__init__(**SIZES[size], registers=registers)
        self.weights = weights
        self.requires_grad_(False)
        self.train(False)
        if not self.pos_embed.is_meta:
            self.load()

    def train(self, mode: bool = True) -> "DINOv2":
        """Stay in evaluation mode, also inside a model that trains."""
        return super().train(False)

    def load(self) -> None:
        """Read the published weights into the module; the constructor has done it, off meta."""
        given = Path(self.weights or "")
        if self.weights is None or given.is_file() or given.suffix in FILES:
            path = fetch(self.name, self.weights)
            state = read_state(path)
        else:
            path, state = given, read_dinov2(str(self.weights))
        state.pop("mask_token", None)  # of training alone
        put(state, self, path, reader=f"DINOv2 ({self.name})")


def normalized(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 h w"]:
    """Shift and scale images in [0, 1] as DINOv2 was trained; grey ones get three channels."""
    mean, std = (torch.tensor(v, dtype=x.dtype, device=x.device).view(3, 1, 1) for v in (MEAN, STD))
    return (x - mean) / std


class PatchFeatures(DINOv2):
    """Normalised tokens of all patches of an image that is resized to a square first.

    Images in [-1, 1] are not shifted to ImageNet's mean, as VA-VAE (Yao and Wang 2025) trained.

    Args:
        size, weights: see `DINOv2`.
        side: of the resized image, in pixels.

    Example:
        >>> with torch.device("meta"):
        ...     features = PatchFeatures("L")
        >>> features.grid_of(torch.zeros(1, 3, 256, 256, device="meta")).shape
        torch.Size([1, 1024, 16, 16])
    """

    def __init__(
        self, size: str, weights: str | os.PathLike[str] | None = None, side: int = 224
    ) -> None:
        super().__init__(size, weights)
        self.side = side

    @torch.no_grad()
    def grid_of(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d _ _"]:
        """Compute the features of the patches on their grid."""
        x = F.interpolate(x.expand(-1, 3, -1, -1), (self.side, self.side), mode="bilinear")
        tokens = self.norm(self(x)[-1])[:, 1 + self.registers :]
        return rearrange(tokens, "b (h w) d -> b d h w", h=self.side // self.patch)
