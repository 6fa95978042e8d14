"""LightningDiT: a diffusion transformer with RMSNorm, SwiGLU and rotary position embedding.

Source: Yao et al., "Reconstruction vs. generation: taming optimization dilemma in latent diffusion
models", 2025. Parameters are named as in the published checkpoints.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.images.dit import DiT
from ldm.networks.linear import Linear
from ldm.networks.rotary import Rotation, rotary_angles, rotated, rotation_by
from ldm.networks.transformer import Modulation, attention

__all__ = ["SIZES", "LightningDiT"]

SIZES = {
    "B": {"depth": 12, "width": 768, "heads": 12},
    "L": {"depth": 24, "width": 1024, "heads": 16},
    "XL": {"depth": 28, "width": 1152, "heads": 16},
    "1p0B": {"depth": 24, "width": 1536, "heads": 24},
    "1p6B": {"depth": 28, "width": 1792, "heads": 28},
}
"""The published model sizes."""

EPS = 1e-6


class RotaryAttention(nn.Module):
    """Multi-head self-attention whose products depend on distances between tokens.

    Args:
        width, heads: of all heads together, and their number.
        qk_norm: normalise queries and keys, which keeps large models from diverging.
    """

    def __init__(self, width: int, heads: int, qk_norm: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(width, 3 * width)
        self.q_norm = nn.RMSNorm(width // heads, EPS) if qk_norm else nn.Identity()
        self.k_norm = nn.RMSNorm(width // heads, EPS) if qk_norm else nn.Identity()
        self.proj = Linear(width, width)

    def forward(self, x: Float[Tensor, "b n d"], rotation: Rotation) -> Float[Tensor, "b n d"]:
        parts = self.qkv(x).chunk(3, dim=2)
        q, k, v = (rearrange(part, "b n (h d) -> b h n d", h=self.heads) for part in parts)
        q, k = rotated(self.q_norm(q), rotation), rotated(self.k_norm(k), rotation)
        return self.proj(rearrange(attention(q, k, v), "b h n d -> b n (h d)"))


class SwiGLU(nn.Module):
    """`W3 (silu(W1 x) * W2 x)` with biases (Shazeer 2020); W1 and W2 are one matrix, `w12`."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.w12 = Linear(width, 2 * hidden)
        self.w3 = Linear(hidden, width)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        gate, value = self.w12(x).chunk(2, dim=2)
        return self.w3(F.silu(gate) * value)


class RotaryBlock(nn.Module):
    """Transformer block: attention and SwiGLU, both modulated and gated by the condition."""

    def __init__(self, width: int, heads: int, hidden: int, qk_norm: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(width, EPS), nn.RMSNorm(width, EPS)
        self.attn = RotaryAttention(width, heads, qk_norm)
        self.mlp = SwiGLU(width, hidden)
        self.adaLN_modulation = Modulation(width, 6)

    def forward(
        self, x: Float[Tensor, "b n d"], condition: Float[Tensor, "b d"], rotation: Rotation
    ) -> Float[Tensor, "b n d"]:
        """Tokens after the block."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(condition)
        h = torch.addcmul(shift1, self.norm1(x), 1 + scale1)
        x = torch.addcmul(x, gate1, self.attn(h, rotation))
        h = torch.addcmul(shift2, self.norm2(x), 1 + scale2)
        return torch.addcmul(x, gate2, self.mlp(h))


class RMSFinalLayer(nn.Module):
    """Modulated normalisation and a linear map from each token to the values of its patch."""

    def __init__(self, width: int, values: int) -> None:
        super().__init__()
        self.norm_final = nn.RMSNorm(width, EPS)
        self.linear = nn.Linear(width, values)
        self.adaLN_modulation = Modulation(width, 2)

    def forward(
        self, x: Float[Tensor, "b n d"], condition: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b n _"]:
        shift, scale = self.adaLN_modulation(condition)
        return self.linear(torch.addcmul(shift, self.norm_final(x), 1 + scale))


class LightningDiT(DiT):
    """A `DiT` with RMSNorm, SwiGLU and rotary embedding beside the fixed position embedding.

    At initialisation the output is zero and every block is the identity.

    Args:
        shape: shape of one latent, `(channels, height, width)`.
        patch: side of the square patch that becomes one token; 1 for latents of f16.
        width, depth, heads: token width, number of blocks, attention heads per block.
        classes: number of class labels; label `classes` means no label. 0 builds no label table.
        learn_sigma: also predict a variance for each value.
        qk_norm: normalise queries and keys, which keeps large models from diverging.

    Raises:
        ValueError: as `DiT`, or a head's features are no multiple of 4.

    Example:
        >>> dit = LightningDiT.sized("B/1", shape=[32, 4, 4])
        >>> dit(torch.zeros(2, 32, 4, 4), torch.tensor([0.0, 1.0])).shape
        torch.Size([2, 32, 4, 4])
    """

    sizes = SIZES

    def __init__(
        self,
        shape: Sequence[int] = (32, 16, 16),
        patch: int = 1,
        width: int = 1152,
        depth: int = 28,
        heads: int = 16,
        classes: int = 1000,
        learn_sigma: bool = False,
        qk_norm: bool = False,
    ) -> None:
        self.qk_norm = qk_norm
        super().__init__(shape, patch, width, depth, heads, classes, learn_sigma)
        if width // heads % 4:
            raise ValueError(f"a head needs a multiple of 4 features, found {width // heads}")

    def build_block(self, width: int, heads: int, mlp_ratio: float) -> nn.Module:
        return RotaryBlock(width, heads, int(2 / 3 * (mlp_ratio * width)), self.qk_norm)

    def build_final(self, width: int, values: int) -> nn.Module:
        return RMSFinalLayer(width, values)

    def rotation(self, device: torch.device) -> Rotation:
        """Cosines and sines of the angles by which blocks rotate queries and keys."""
        attention = self.blocks[0].attn
        angle = rotary_angles(self.grid, attention.proj.in_features // attention.heads)
        return rotation_by(angle).float().to(device)

    def through(
        self, x: Float[Tensor, "b c *grid"], condition: Float[Tensor, "b d"], *told: Tensor | None
    ) -> Float[Tensor, "b _ *grid"]:
        return super().through(x, condition, self.rotation(x.device), *told)
