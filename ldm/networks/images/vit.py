"""Encoder and decoder of image tokenizers that are transformers of patches.

Source: Zhao, Xiong and Kraehenbuehl, "Image and video tokenization with binary spherical
quantization", 2024, section 3.2, after Yu et al. 2022 (ViT-VQGAN).
"""

from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.images.patches import PatchEmbedder, joined
from ldm.networks.images.vision_transformer import EPS, Block
from ldm.networks.transformer import check_heads

__all__ = ["Decoder", "Encoder"]


class Tokens(nn.Module):
    """Transformer blocks on tokens with learned places, between layer normalisations."""

    def __init__(self, tokens: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        check_heads(width, depth, heads)
        self.places = nn.Parameter(width**-0.5 * torch.randn(1, tokens, width))
        self.norm_in, self.norm_out = (nn.LayerNorm(width, eps=EPS) for _ in range(2))
        self.blocks = nn.ModuleList(Block(width, heads, scaled=False) for _ in range(depth))

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        x = self.norm_in(x + self.places)
        for block in self.blocks:
            x = block(x)
        return self.norm_out(x)


def grid_of(shape: Sequence[int], patch: int) -> tuple[int, int]:
    """Rows and columns of patches of an image.

    Raises:
        ValueError: patches do not tile it.
    """
    height, width = shape[-2:]
    if patch < 1 or height % patch or width % patch:
        raise ValueError(f"patches of side {patch} do not tile images of {height} x {width}")
    return height // patch, width // patch


class Encoder(nn.Module):
    """Encoder from images to features of their patches.

    Args:
        in_channels: image channels.
        out_channels: features of a patch.
        shape: of the images, `(channels, height, width)`; places are learned, so no other sides
            can be encoded.
        patch: side of a square patch, pixels.
        width, depth, heads: token width, number of blocks, attention heads of each.

    Raises:
        ValueError: patches do not tile the images, or `width` is not a multiple of `heads`; or, on
            a call, images have other sides.

    Example:
        >>> Encoder(1, 6, [1, 16, 16], width=32, depth=1, heads=2)(torch.zeros(1, 1, 16, 16)).shape
        torch.Size([1, 6, 2, 2])
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 18,
        shape: Sequence[int] = (3, 256, 256),
        patch: int = 8,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
    ) -> None:
        super().__init__()
        self.grid, self.sides = grid_of(shape, patch), tuple(shape[-2:])
        self.embed = PatchEmbedder(in_channels, (patch, patch), width)
        self.tokens = Tokens(self.grid[0] * self.grid[1], width, depth, heads)
        self.head = nn.Linear(width, out_channels)

    @property
    def last_layer(self) -> Tensor:
        """Weight at which the gradients of reconstruction and alignment are compared."""
        return self.head.weight

    def forward(self, x: Float[Tensor, "b _ height width"]) -> Float[Tensor, "b _ h w"]:
        if tuple(x.shape[2:]) != self.sides:
            raise ValueError(
                f"built for images of {self.sides[0]} x {self.sides[1]}, found {x.shape[2]} x "
                f"{x.shape[3]}: resize them, or train another"
            )
        features = self.head(self.tokens(self.embed(x)))
        return rearrange(features, "b (h w) c -> b c h w", h=self.grid[0])


class Decoder(nn.Module):
    """Decoder from latents of patches to images.

    Args:
        in_channels: latent channels.
        out_channels: image channels.
        shape, patch, width, depth, heads: see `Encoder`.

    Raises:
        ValueError: as `Encoder`, but on a call.

    Example:
        >>> Decoder(6, 1, [1, 16, 16], width=32, depth=1, heads=2)(torch.zeros(1, 6, 2, 2)).shape
        torch.Size([1, 1, 16, 16])
    """

    def __init__(
        self,
        in_channels: int = 18,
        out_channels: int = 3,
        shape: Sequence[int] = (3, 256, 256),
        patch: int = 8,
        width: int = 768,
        depth: int = 12,
        heads: int = 12,
    ) -> None:
        super().__init__()
        self.grid, self.patch = grid_of(shape, patch), patch
        self.embed = nn.Linear(in_channels, width)
        self.tokens = Tokens(self.grid[0] * self.grid[1], width, depth, heads)
        self.head = nn.Linear(width, out_channels * patch**2)

    @property
    def last_layer(self) -> Tensor:
        """Weight at which the gradients of reconstruction and adversarial loss are compared."""
        return self.head.weight

    def forward(self, z: Float[Tensor, "b _ h w"]) -> Float[Tensor, "b _ height width"]:
        x = self.tokens(self.embed(rearrange(z, "b c h w -> b (h w) c")))
        return joined(self.head(x), self.grid, (self.patch, self.patch))
