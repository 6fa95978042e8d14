"""Pieces that several families of networks share."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["SpatialAttention", "attention", "check_grid", "group_norm"]

GROUPS = 32


def group_norm(channels: int, *, eps: float = 1e-6, affine: bool = True) -> nn.GroupNorm:
    """Group normalisation with the 32 groups of every published first stage.

    Raises:
        ValueError: the channels cannot be cut into 32 groups. Fewer groups would be another
            network (one channel a group forgets each channel's amplitude), so none are substituted.
    """
    if channels % GROUPS:
        raise ValueError(
            f"group normalisation cuts channels into {GROUPS} groups, found {channels} channels: "
            f"make width times each multiplier a multiple of {GROUPS}"
        )
    return nn.GroupNorm(GROUPS, channels, eps=eps, affine=affine)


def check_grid(x: Tensor, factor: int) -> None:
    """Refuse images that `factor`-fold downsampling would cut into a broken grid."""
    height, width = x.shape[-2:]
    if height % factor or width % factor:
        raise ValueError(
            f"the encoder downsamples {factor}-fold, found images of {height} x {width}: "
            f"resize or pad both sides to multiples of {factor}"
        )


def attention(
    q: Float[Tensor, "b heads n d"],
    k: Float[Tensor, "b heads m d"],
    v: Float[Tensor, "b heads m d"],
) -> Float[Tensor, "b heads n d"]:
    """Softmax attention, scaled by the root of `d`, by the fastest kernel for training."""
    short = q.dtype == torch.bfloat16 and k.shape[2] <= 512
    if short and q.device.type == "cpu" and torch.is_grad_enabled():
        # Forward and backward, the fused CPU kernel takes four times as long as plain products for
        # 64 tokens, 1.5 times for 256; for more than 512, or in single precision, it wins.
        return (q * q.shape[3] ** -0.5 @ k.mT).softmax(3) @ v
    return F.scaled_dot_product_attention(q, k, v)


class SpatialAttention(nn.Module):
    """Single-head self-attention between all pixels, with a residual connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        h = self.norm(x)
        q, k, v = (rearrange(f(h), "b c h w -> b 1 (h w) c") for f in (self.q, self.k, self.v))
        h = F.scaled_dot_product_attention(q, k, v)
        return x + self.proj_out(rearrange(h, "b 1 (h w) c -> b c h w", h=x.shape[2]))
