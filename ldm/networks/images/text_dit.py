"""A DiT that attends to the tokens of a text in every block.

Source: Chen et al., "PixArt-alpha: fast training of diffusion transformers for photorealistic
text-to-image synthesis", 2024, section 2.3: cross-attention between self-attention and perceptron,
zero at initialisation. Here each block has its own modulation, as in DiT.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ldm.networks.images.dit import DiT
from ldm.networks.linear import Linear
from ldm.networks.transformer import Block, attention, modulated_norm

__all__ = ["TextDiT"]


class CrossAttention(nn.Module):
    """Multi-head attention of tokens of an image to those of a text; its output begins as zero."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.kv = Linear(width, width), Linear(width, 2 * width)
        self.proj = Linear(width, width)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        text: Float[Tensor, "b m d"],
        mask: Bool[Tensor, "b m"] | None,
    ) -> Float[Tensor, "b n d"]:
        parts = self.q(x), *self.kv(text).chunk(2, dim=2)
        q, k, v = (rearrange(part, "b n (h d) -> b h n d", h=self.heads) for part in parts)
        return self.proj(rearrange(attention(q, k, v, mask), "b h n d -> b n (h d)"))


class TextBlock(Block):
    """A DiT block with cross-attention to a text, after self-attention."""

    def __init__(self, width: int, heads: int, mlp_ratio: float, norm_eps: float) -> None:
        super().__init__(width, heads, mlp_ratio, norm_eps)
        self.cross = CrossAttention(width, heads)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        condition: Float[Tensor, "b d"],
        text: Float[Tensor, "b m d"],
        mask: Bool[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "b n d"]:
        """Tokens of the image after the block; a mask says which tokens of the text count."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(condition)
        x = torch.addcmul(x, gate1, self.attn(modulated_norm(x, shift1, scale1)))
        x = x + self.cross(x, text, mask)
        return torch.addcmul(x, gate2, self.mlp(modulated_norm(x, shift2, scale2, self.norm_eps)))


class TextDiT(DiT):
    """A transformer that denoises image latents, conditioned on the time and a text.

    At initialisation the output is zero and every block is the identity.

    Args:
        shape, patch, width, depth, heads: as of `DiT`.
        text_shape: tokens of a text, and numbers of each.
        text_pooled_shape: numbers of the vector of the whole text, which joins the time in what
            modulates every block; None for texts without one.
        **options: of `DiT`, but for `classes`.

    Raises:
        ValueError: as for `DiT`, or the vector of the text is absent, or was not declared.

    Example:
        >>> dit = TextDiT([4, 8, 8], width=64, depth=2, heads=4, text_shape=[77, 768])
        >>> x, t, text = torch.zeros(2, 4, 8, 8), torch.zeros(2), torch.zeros(2, 77, 768)
        >>> dit(x, t, text).shape
        torch.Size([2, 8, 8, 8])
    """

    block: ClassVar[type[Block]] = TextBlock

    def __init__(
        self,
        shape: Sequence[int] = (4, 32, 32),
        patch: int = 2,
        width: int = 1152,
        depth: int = 28,
        heads: int = 16,
        text_shape: Sequence[int] = (77, 768),
        text_pooled_shape: Sequence[int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(shape, patch, width, depth, heads, classes=0, **options)
        self.text_embedder = _perceptron(text_shape[1], width)
        self.pooled_embedder = (
            None if text_pooled_shape is None else _perceptron(*text_pooled_shape, width)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial weights from the published distributions."""
        super().reset_parameters()
        for block in self.blocks:
            nn.init.zeros_(block.cross.proj.weight)

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        t: Float[Tensor, " b"] | Int[Tensor, " b"],
        text: Float[Tensor, "b m d"],
        text_mask: Bool[Tensor, "b m"] | None = None,
        text_pooled: Float[Tensor, "b p"] | None = None,
    ) -> Float[Tensor, "b _ h w"]:
        """Predict from noisy latents `x` at times `t`, in the unit of the process."""
        condition = self.condition(t, None)
        if (self.pooled_embedder is None) != (text_pooled is None):
            raise ValueError("set conditioning.text.pooled, and leave text_pooled_shape out")
        if self.pooled_embedder is not None:
            condition = condition + self.pooled_embedder(text_pooled)
        return self.through(x, condition, self.text_embedder(text), text_mask)


def _perceptron(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.GELU("tanh"), nn.Linear(width, width))
