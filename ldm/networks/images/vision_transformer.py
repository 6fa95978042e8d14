"""The vision transformer of DINOv2, whose features other models are compared by.

Sources: Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", 2023;
Darcet et al., "Vision Transformers Need Registers", 2024. Parameters are named as in the authors'
files.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.transformer import Attention, check_heads

__all__ = ["SIZES", "VisionTransformer"]

SIZES = {
    "S": {"width": 384, "depth": 12, "heads": 6},
    "B": {"width": 768, "depth": 12, "heads": 12},
    "L": {"width": 1024, "depth": 24, "heads": 16},
}
"""The published sizes, but for the largest, which has other perceptrons."""

EPS = 1e-6  # of layer normalisation


class Scale(nn.Module):
    """One factor a channel (LayerScale)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), 1e-5))

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        return x * self.gamma


class Perceptron(nn.Module):
    """Two linear layers around a GELU."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Attention and a perceptron, each normalised before, scaled after if so asked, and added."""

    def __init__(
        self, width: int, heads: int, scaled: bool = True, hidden: int | None = None
    ) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=EPS) for _ in range(2))
        self.attn, self.mlp = Attention(width, heads), Perceptron(width, hidden or 4 * width)
        self.ls1, self.ls2 = (Scale(width) if scaled else nn.Identity() for _ in range(2))

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class VisionTransformer(nn.Module):
    """A transformer of patches, a class token and, optionally, registers.

    Args:
        width, depth, heads: of the tokens and blocks, see `SIZES`.
        patch: side of a square patch, in pixels.
        grid: patches a side of the learned position embedding; other grids have it interpolated,
            with antialiasing where there are registers, as the authors do.
        registers: tokens without a position, between the class token and the patches.

    Raises:
        ValueError: `width` is not a multiple of `heads`.

    Example:
        >>> network = VisionTransformer(width=32, depth=2, heads=2, registers=4)
        >>> [tokens.shape for tokens in network(torch.zeros(1, 3, 28, 42))]
        [torch.Size([1, 11, 32]), torch.Size([1, 11, 32]), torch.Size([1, 11, 32])]
    """

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        patch: int = 14,
        grid: int = 37,
        registers: int = 0,
    ) -> None:
        super().__init__()
        check_heads(width, depth, heads)
        self.width, self.patch, self.registers = width, patch, registers
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + grid**2, width))
        if registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, registers, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch, patch)})
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=EPS)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b n d"]]:
        """Compute all tokens before the first block and after each, without the last `norm`.

        Raises:
            ValueError: the sides of the images are not multiples of `patch`.
        """
        if any(side % self.patch for side in x.shape[-2:]):
            raise ValueError(
                f"patches of side {self.patch} do not tile images of {tuple(x.shape[-2:])}"
            )
        patches = self.patch_embed["proj"](x)
        first, rest = self.pos_embed[:, :1], self._positions(patches)
        tokens = [(self.cls_token + first).expand(len(x), -1, -1)]
        if self.registers:
            tokens.append(self.register_tokens.expand(len(x), -1, -1))
        h = torch.cat([*tokens, rearrange(patches, "b d h w -> b (h w) d") + rest], dim=1)
        outputs = [h]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        return outputs

    def _positions(self, patches: Float[Tensor, "b d h w"]) -> Float[Tensor, "1 n d"]:
        side = round((self.pos_embed.shape[1] - 1) ** 0.5)
        positions = self.pos_embed[:, 1:]
        if patches.shape[-2:] == (side, side):
            return positions
        grid = rearrange(positions, "b (h w) d -> b d h w", h=side)
        if self.registers:
            grid = F.interpolate(grid, patches.shape[-2:], mode="bicubic", antialias=True)
        else:  # as the older networks were published, with a tenth of a patch to round down safely
            scale = [(length + 0.1) / side for length in patches.shape[-2:]]
            grid = F.interpolate(grid, scale_factor=scale, mode="bicubic")
        return rearrange(grid, "b d h w -> b (h w) d")
