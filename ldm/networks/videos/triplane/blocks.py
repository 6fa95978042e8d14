"""Blocks of PVDM's autoencoder: attention over time, over places, and along one axis to a plane."""

from collections import OrderedDict

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.images.unet.attention import GEGLU
from ldm.networks.rotary import rotated, rotation_by
from ldm.networks.transformer import attention
from ldm.networks.videos.triplane.rotary import space_angles, time_angles

__all__ = ["Collapse", "SpaceTimeBlock"]


class Attention(nn.Module):
    """Layer normalisation, then multi-head self-attention, of rotated queries and keys if told."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * heads * head_width, bias=False)
        self.proj = nn.Linear(heads * head_width, width)

    def forward(
        self, x: Float[Tensor, "b n d"], angles: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, "b n d"]:
        q, k, v = rearrange(self.qkv(self.norm(x)), "b n (k h d) -> k b h n d", k=3, h=self.heads)
        if angles is not None:
            rotation = rotation_by(angles)
            q, k = rotated(q, rotation), rotated(k, rotation)
        return self.proj(rearrange(attention(q, k, v), "b h n d -> b n (h d)"))


class SpaceTimeBlock(nn.Module):
    """Attention over the times of each place, over the places of each time, and a perceptron."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.head_width = head_width
        self.time = Attention(width, heads, head_width)
        self.space = Attention(width, heads, head_width)
        layers = OrderedDict(
            norm=nn.LayerNorm(width), gate=GEGLU(width, 4 * width), out=nn.Linear(4 * width, width)
        )
        self.mlp = nn.Sequential(layers)

    def forward(self, x: Float[Tensor, "b t h w d"]) -> Float[Tensor, "b t h w d"]:
        b, t, h, w, _ = x.shape
        x = rearrange(x, "b t h w d -> (b h w) t d")
        x = x + self.time(x, time_angles(t, self.head_width, x.device))
        x = rearrange(x, "(b n) t d -> (b t) n d", b=b)
        x = x + self.space(x, space_angles(h, w, self.head_width, x.device))
        x = x + self.mlp(x)
        return rearrange(x, "(b t) (h w) d -> b t h w d", b=b, h=h)


class Layer(nn.Module):
    """Attention, then a perceptron."""

    def __init__(self, width: int, heads: int, head_width: int, hidden: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads, head_width)
        layers = OrderedDict(
            norm=nn.LayerNorm(width),
            fc1=nn.Linear(width, hidden),
            gelu=nn.GELU(),
            fc2=nn.Linear(hidden, width),
        )
        self.mlp = nn.Sequential(layers)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        x = x + self.attention(x)
        return x + self.mlp(x)


class Collapse(nn.Module):
    """Turns a sequence in one vector by a transformer.

    Published quirk: a learned token is appended, but what is read is the first place of the
    sequence, so that the first frame, row or column asks, and the token only answers.

    Args:
        length: of the sequence.
        width, depth, heads: of the transformer.
        hidden: width of its perceptrons.
    """

    def __init__(
        self, length: int, width: int, depth: int = 4, heads: int = 4, hidden: int = 512
    ) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(width))
        self.places = nn.Parameter(torch.randn(length + 1, width))
        self.layers = nn.ModuleList(Layer(width, heads, width // 8, hidden) for _ in range(depth))

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b d"]:
        x = torch.cat([x, self.token.expand(len(x), 1, -1)], 1) + self.places
        for layer in self.layers:
            x = layer(x)
        return x[:, 0]
