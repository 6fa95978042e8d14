"""Layers shared by several families of image networks."""

from collections.abc import Callable

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["SpatialAttention", "Upsample", "check_grid", "check_images", "group_norm"]

GROUPS = 32


def group_norm(channels: int, *, eps: float = 1e-6, affine: bool = True) -> nn.GroupNorm:
    """Build group normalisation with 32 groups, as in every published autoencoder.

    Raises:
        ValueError: the channels are not a multiple of 32. No smaller number of groups is
            substituted, because the network would compute something else.
    """
    if channels % GROUPS:
        raise ValueError(
            f"group normalisation cuts channels into {GROUPS} groups, found {channels} channels: "
            f"make width times each multiplier a multiple of {GROUPS}"
        )
    return nn.GroupNorm(GROUPS, channels, eps=eps, affine=affine)


def check_images(x: Tensor, reader: str, remedy: str) -> None:
    """Raise a ValueError unless `x` holds images `(b, c, h, w)`; it names the reader."""
    if x.ndim != 4:
        raise ValueError(f"{reader} reads images, found data of {tuple(x.shape[1:])}: {remedy}")


def check_grid(x: Tensor, factor: int) -> None:
    """Raise a ValueError unless `x` holds images with sides that are multiples of `factor`."""
    check_images(
        x,
        "the encoder",
        "choose another tokenizer, or for clips tokenizer._target_=ldm.tokenizers.Framewise",
    )
    height, width = x.shape[-2:]
    if height % factor or width % factor:
        raise ValueError(
            f"the encoder downsamples {factor}-fold, found images of {height} x {width}: "
            f"resize or pad both sides to multiples of {factor}"
        )


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


class Upsample(nn.Module):
    """Double the sides by nearest-neighbour interpolation, then convolve.

    Args:
        channels: before and after.
        conv: builds the convolution, as `nn.Conv2d` does.
    """

    def __init__(self, channels: int, conv: Callable[..., nn.Module] = nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "b c ... h w"]) -> Float[Tensor, "b c ... _ _"]:
        factors = (*[1.0] * (x.ndim - 4), 2.0, 2.0)
        return self.conv(F.interpolate(x, scale_factor=factors, mode="nearest"))
