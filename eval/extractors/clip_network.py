"""The image encoder of CLIP, a vision transformer.

Source: Radford et al., "Learning transferable visual models from natural language supervision",
2021. Parameters are named as in the weights of Hugging Face's library, which are plain tensors; the
authors' own file is a TorchScript archive.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ldm.networks.transformer import attention

__all__ = ["CLIPVision"]


class SelfAttention(nn.Module):
    """Attention between all tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (
            nn.Linear(width, width) for _ in range(4)
        )

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        q, k, v = (
            rearrange(project(x), "b n (h d) -> b h n d", h=self.heads)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        return self.out_proj(rearrange(attention(q, k, v), "b h n d -> b n (h d)"))


class Layer(nn.Module):
    """Attention and a perceptron, each normalised before and added."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.self_attn = SelfAttention(width, heads)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)}
        )

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        x = x + self.self_attn(self.layer_norm1(x))
        hidden = self.mlp["fc1"](self.layer_norm2(x))
        return x + self.mlp["fc2"](hidden * (1.702 * hidden).sigmoid())  # CLIP's fast GELU


class CLIPVision(nn.Module):
    """The encoder from normalised images to embeddings, not of unit length; ViT-L/14 by default.

    Args:
        side: of the square images, pixels.
        patch: side of a square patch, pixels.
        width, depth, heads: of the tokens and layers.
        size: of an embedding.

    Example:
        >>> with torch.device("meta"):
        ...     network = CLIPVision()
        >>> network(torch.zeros(1, 3, 336, 336, device="meta")).shape
        torch.Size([1, 768])
    """

    def __init__(
        self,
        side: int = 336,
        patch: int = 14,
        width: int = 1024,
        depth: int = 24,
        heads: int = 16,
        size: int = 768,
    ) -> None:
        super().__init__()
        self.side = side
        embeddings = nn.Module()
        embeddings.class_embedding = nn.Parameter(torch.zeros(width))
        embeddings.patch_embedding = nn.Conv2d(3, width, patch, patch, bias=False)
        embeddings.position_embedding = nn.Embedding(1 + (side // patch) ** 2, width)
        encoder = nn.Module()
        encoder.layers = nn.ModuleList(Layer(width, heads) for _ in range(depth))
        self.vision_model = nn.ModuleDict(
            {
                "embeddings": embeddings,
                "pre_layrnorm": nn.LayerNorm(width),  # misspelt in the published files
                "encoder": encoder,
                "post_layernorm": nn.LayerNorm(width),
            }
        )
        self.visual_projection = nn.Linear(width, size, bias=False)

    def forward(self, x: Float[Tensor, "b 3 side side"]) -> Float[Tensor, "b size"]:
        embeddings = self.vision_model["embeddings"]
        patches = rearrange(embeddings.patch_embedding(x), "b d h w -> b (h w) d")
        first = embeddings.class_embedding.expand(len(x), 1, -1)
        h = torch.cat([first, patches], dim=1) + embeddings.position_embedding.weight
        h = self.vision_model["pre_layrnorm"](h)
        for layer in self.vision_model["encoder"].layers:
            h = layer(h)
        return self.visual_projection(self.vision_model["post_layernorm"](h[:, 0]))
