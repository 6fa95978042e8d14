"""Attention of LFDM's U-Net: over places in linear or full form, and over time.

Source: Ho et al., "Video diffusion models", 2022, whose factorised U-Net Ni et al. 2023 (LFDM) use.
"""

import math

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ldm.networks.rotary import rotary_angles, rotated, rotation_by

__all__ = ["LinearAttention", "PlaceAttention", "TimeAttention", "TimeBias"]

Features = Float[Tensor, "b c t h w"]


class ChannelNorm(nn.Module):
    """Layer normalisation over channels with a scale and without a shift."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))

    def forward(self, x: Features) -> Features:
        centred = x - x.mean(1, keepdim=True)
        variance = centred.square().mean(1, keepdim=True)
        return centred * (variance + 1e-5).rsqrt() * self.gamma.view(-1, 1, 1, 1)


class LinearAttention(nn.Module):
    """Attention over the places of each frame in linear time, with a skip connection.

    Queries are a softmax over features, keys one over places (Shen et al. 2021).

    Args:
        channels: of the features.
        heads: attention heads.
        head_width: features of a head.
    """

    def __init__(self, channels: int, heads: int = 8, head_width: int = 32) -> None:
        super().__init__()
        self.heads = heads
        self.norm = ChannelNorm(channels)
        self.to_qkv = nn.Conv2d(channels, 3 * heads * head_width, 1, bias=False)
        self.to_out = nn.Conv2d(heads * head_width, channels, 1)

    def forward(self, x: Features) -> Features:
        t, h = x.shape[2], x.shape[3]
        frames = rearrange(self.norm(x), "b c t h w -> (b t) c h w")
        q, k, v = rearrange(
            self.to_qkv(frames), "n (three k d) h w -> three n k d (h w)", three=3, k=self.heads
        )
        q = q.softmax(-2) / math.sqrt(q.shape[-2])
        context = k.softmax(-1) @ v.mT  # d by d: nothing is as large as places by places
        out = rearrange(context.mT @ q, "n k d (h w) -> n (k d) h w", h=h)
        return x + rearrange(self.to_out(out), "(b t) c h w -> b c t h w", t=t)


class TimeAttention(nn.Module):
    """Attention along the time of each place, with rotary angles and a bias, and a skip connection.

    Args:
        channels: of the features.
        heads: attention heads.
        head_width: features of a head.
    """

    def __init__(self, channels: int, heads: int = 8, head_width: int = 32) -> None:
        super().__init__()
        self.heads = heads
        self.norm = ChannelNorm(channels)
        self.to_qkv = nn.Linear(channels, 3 * heads * head_width, bias=False)
        self.to_out = nn.Linear(heads * head_width, channels, bias=False)

    def forward(self, x: Features, bias: Float[Tensor, "heads t t"] | None = None) -> Features:
        tokens = self.tokens(self.norm(x))
        q, k, v = rearrange(
            self.to_qkv(tokens), "... n (three k d) -> three ... k n d", three=3, k=self.heads
        )
        q, k = self.placed(q), self.placed(k)
        bias = None if bias is None else bias.to(q.dtype)
        out = F.scaled_dot_product_attention(q, k, v, bias)
        return x + self.features(self.to_out(rearrange(out, "... k n d -> ... n (k d)")), x)

    def tokens(self, x: Features) -> Float[Tensor, "b _ n c"]:
        """Sequences of tokens that attend to one another."""
        return rearrange(x, "b c t h w -> b (h w) t c")

    def features(self, tokens: Float[Tensor, "b _ n c"], like: Features) -> Features:
        """Features of sequences, the inverse of `tokens`."""
        return rearrange(tokens, "b (h w) t c -> b c t h w", h=like.shape[3])

    def placed(self, x: Float[Tensor, "... n d"]) -> Float[Tensor, "... n d"]:
        """Queries or keys that know their place in the sequence."""
        n, width = x.shape[-2:]
        return rotated(x, rotation_by(rotary_angles([n], width)).to(x.device))


class PlaceAttention(TimeAttention):
    """Attention over all places of each frame, without positions, and a skip connection."""

    def tokens(self, x: Features) -> Float[Tensor, "b t n c"]:
        return rearrange(x, "b c t h w -> b t (h w) c")

    def features(self, tokens: Float[Tensor, "b t n c"], like: Features) -> Features:
        return rearrange(tokens, "b t (h w) c -> b c t h w", h=like.shape[3])

    def placed(self, x: Float[Tensor, "... n d"]) -> Float[Tensor, "... n d"]:
        return x


class TimeBias(nn.Module):
    """Bias of attention that depends on the distance in time, in buckets as in T5.

    Half of the buckets are for later keys. Of each half, the first half are single distances, and
    the rest grow logarithmically up to the largest distance (Raffel et al. 2020).

    Args:
        heads: attention heads.
        buckets: number of buckets.
        furthest: distance from which all share a bucket.
    """

    def __init__(self, heads: int = 8, buckets: int = 32, furthest: int = 32) -> None:
        super().__init__()
        self.buckets, self.furthest = buckets, furthest
        self.table = nn.Embedding(buckets, heads)

    def forward(self, frames: int) -> Float[Tensor, "heads t t"]:
        """Bias of all pairs of so many frames, queries first."""
        time = torch.arange(frames, device=self.table.weight.device)
        return self.table(self.bucket(time[None] - time[:, None])).movedim(-1, 0)

    def bucket(self, offset: Int[Tensor, "queries keys"]) -> Int[Tensor, "queries keys"]:
        """Bucket of each offset, the time of the key less that of the query."""
        half = self.buckets // 2
        single = half // 2
        distance = offset.abs()
        growth = (distance.clamp(min=1) / single).log() / math.log(self.furthest / single)
        far = (single + (growth * (half - single)).long()).clamp(max=half - 1)
        return torch.where(distance < single, distance, far) + half * (offset > 0)
