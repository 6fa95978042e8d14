"""The transformer that reads captions in text-to-image latent diffusion, trained with the U-Net.

Source: Rombach et al., "High-resolution image synthesis with latent diffusion models", 2022,
appendix E.2.1: tokens and their places are embedded, and every layer is residual and normalised
first.
"""

from collections import OrderedDict
from collections.abc import Sequence

from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from ldm.networks.transformer import attention

__all__ = ["TextTransformer"]


class Layer(nn.Module):
    """Attention among all tokens, then a perceptron 4 times as wide."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * heads * head_width, bias=False)
        self.proj = nn.Linear(heads * head_width, width)
        layers = OrderedDict(
            norm=nn.LayerNorm(width),
            fc1=nn.Linear(width, 4 * width),
            gelu=nn.GELU(),
            fc2=nn.Linear(4 * width, width),
        )
        self.mlp = nn.Sequential(layers)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        q, k, v = rearrange(self.qkv(self.norm(x)), "b n (k h d) -> k b h n d", k=3, h=self.heads)
        x = x + self.proj(rearrange(attention(q, k, v), "b h n d -> b n (h d)"))
        return x + self.mlp(x)


class TextTransformer(nn.Module):
    """A transformer from the ids of a caption's tokens to one state each; padding counts, too.

    Args:
        text_shape: tokens of a caption.
        vocabulary: number of tokens that there are.
        width, depth, heads, head_width: of the states, layers, attention heads a layer, and numbers
            of each.

    Example:
        >>> import torch
        >>> text = TextTransformer([5], 9, width=8, depth=1, heads=2, head_width=4)
        >>> text(torch.arange(5)[None]).shape
        torch.Size([1, 5, 8])
    """

    def __init__(
        self,
        text_shape: Sequence[int] = (77,),
        vocabulary: int = 30_522,
        width: int = 1280,
        depth: int = 32,
        heads: int = 8,
        head_width: int = 64,
    ) -> None:
        super().__init__()
        self.width = width
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(text_shape[0], width)
        self.layers = nn.ModuleList(Layer(width, heads, head_width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        for table in (self.tokens, self.places):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, ids: Int[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        h = self.tokens(ids) + self.places.weight
        for layer in self.layers:
            h = layer(h)
        return self.norm(h)
