"""Blocks of transformers with zero-initialised adaptive layer normalisation (adaLN-Zero).

Source: Peebles and Xie, "Scalable diffusion models with transformers", 2023. Parameters are named
as in the published checkpoints.
"""

from collections import OrderedDict
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ldm.networks.linear import Linear

__all__ = [
    "Block",
    "FinalLayer",
    "Modulation",
    "attention",
    "check_heads",
    "reset_parameters",
]


def check_heads(width: int, depth: int, heads: int) -> None:
    """Refuse sizes of which no transformer can be built.

    Raises:
        ValueError: `width` is not a multiple of `heads`, or a size is less than 1.
    """
    if min(width, depth, heads) < 1 or width % heads:
        raise ValueError(
            f"width must be a multiple of the heads, and all 1 or more, got a width of {width}, "
            f"{heads} heads and a depth of {depth}"
        )


def attention(
    q: Float[Tensor, "b heads n d"],
    k: Float[Tensor, "b heads m d"],
    v: Float[Tensor, "b heads m d"],
    mask: Bool[Tensor, "b m"] | None = None,
) -> Float[Tensor, "b heads n d"]:
    """Compute softmax attention, scaled by 1/sqrt(d), with the fastest kernel for training.

    With a mask, keys and values count where it is True. Where it never is, nothing is defined.
    """
    seen = None if mask is None else mask[:, None, None]
    if q.dtype != torch.bfloat16 or q.device.type != "cpu" or not torch.is_grad_enabled():
        return F.scaled_dot_product_attention(q, k, v, seen)
    # Forward and backward, the fused kernel for bf16 on CPUs takes 4 times as long as plain matrix
    # products for 64 tokens and 1.5 times for 256; beyond 512 it is faster.
    if k.shape[2] <= 512:
        scores = q * q.shape[3] ** -0.5 @ k.mT
        scores = scores if seen is None else scores.masked_fill(~seen, -torch.inf)
        # In bf16 the softmax of rows below the width of a vector is computed number by number.
        narrow = torch.float32 if k.shape[2] < 32 else None
        return scores.softmax(3, dtype=narrow).to(q.dtype) @ v
    if q.shape[3] <= 16:  # heads so narrow take 0.7 of the time in single precision
        with torch.autocast("cpu", enabled=False):
            parts = (part.float() for part in (q, k, v))
            return F.scaled_dot_product_attention(*parts, seen).to(q.dtype)
    return F.scaled_dot_product_attention(q, k, v, seen)


class Attention(nn.Module):
    """Multi-head self-attention between all tokens, or those of a mask."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(width, 3 * width)
        self.proj = Linear(width, width)

    def forward(
        self, x: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"] | None = None
    ) -> Float[Tensor, "b n d"]:
        # Split q, k, v before the heads: the backward pass then joins their gradients in one copy.
        parts = self.qkv(x).chunk(3, dim=2)
        q, k, v = (rearrange(part, "b n (h d) -> b h n d", h=self.heads) for part in parts)
        return self.proj(rearrange(attention(q, k, v, mask), "b h n d -> b n (h d)"))


class Modulation(nn.Sequential):
    """Map the condition to `parts` vectors that shift, scale or gate tokens; zero-initialised."""

    def __init__(self, width: int, parts: int) -> None:
        super().__init__(nn.SiLU(), nn.Linear(width, parts * width))
        self.parts = parts

    def forward(self, condition: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "b 1 d"], ...]:
        return super().forward(condition)[:, None].chunk(self.parts, dim=2)


def modulated_norm(
    x: Float[Tensor, "b n d"],
    shift: Float[Tensor, "b 1 d"],
    scale: Float[Tensor, "b 1 d"],
    eps: float = 1e-6,
) -> Float[Tensor, "b n d"]:
    """Apply layer normalisation, then the shift and scale computed from the condition."""
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:], eps=eps), 1 + scale)


class Block(nn.Module):
    """Transformer block: attention and a perceptron, both modulated and gated by the condition."""

    def __init__(self, width: int, heads: int, mlp_ratio: float, norm_eps: float) -> None:
        super().__init__()
        self.norm_eps = norm_eps
        hidden = int(width * mlp_ratio)
        self.attn = Attention(width, heads)
        self.mlp = nn.Sequential(
            OrderedDict(
                fc1=Linear(width, hidden, gelu=True),
                fc2=Linear(hidden, width),
            )
        )
        self.adaLN_modulation = Modulation(width, 6)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        condition: Float[Tensor, "b d"],
        mask: Bool[Tensor, "b n"] | None = None,
    ) -> Float[Tensor, "b n d"]:
        """Tokens after the block; those outside of the mask have no influence on others."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(condition)
        x = torch.addcmul(x, gate1, self.attn(modulated_norm(x, shift1, scale1), mask))
        return torch.addcmul(x, gate2, self.mlp(modulated_norm(x, shift2, scale2, self.norm_eps)))


class FinalLayer(nn.Module):
    """Modulated normalisation and a linear map from each token to the values of its patch."""

    def __init__(self, width: int, values: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, values)
        self.adaLN_modulation = Modulation(width, 2)

    def forward(
        self, x: Float[Tensor, "b n d"], condition: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b n _"]:
        return self.linear(modulated_norm(x, *self.adaLN_modulation(condition)))


def reset_parameters(network: nn.Module, blocks: Iterable[nn.Module], final: nn.Module) -> None:
    """Draw all linear layers of a transformer from the published distributions.

    Its blocks begin as the identity, and its output as zero.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    for layer in (*blocks, final):
        nn.init.zeros_(layer.adaLN_modulation[1].weight)
    nn.init.zeros_(final.linear.weight)
