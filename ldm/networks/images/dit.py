"""The diffusion transformer (DiT) with zero-initialised adaptive layer normalisation (adaLN-Zero).

Source: Peebles and Xie, "Scalable diffusion models with transformers", 2023. Parameters are named
as in the published checkpoints.
"""

from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ldm.networks.embedders import LabelEmbedder, TimestepEmbedder
from ldm.networks.images.patches import PatchEmbedder, joined, position_embedding
from ldm.networks.transformer import Block, FinalLayer, reset_parameters

__all__ = ["SIZES", "DiT"]

SIZES = {
    "S": {"depth": 12, "width": 384, "heads": 6},
    "B": {"depth": 12, "width": 768, "heads": 12},
    "L": {"depth": 24, "width": 1024, "heads": 16},
    "XL": {"depth": 28, "width": 1152, "heads": 16},
}
"""The published model sizes."""


class DiT(nn.Module):
    """A transformer that denoises image latents, conditioned on the time and, optionally, a class.

    At initialisation the output is zero and every block is the identity. Training may compile the
    `blocks` one by one: all of them share one graph. With `checkpointing` set to True, the
    backward pass recomputes the activations of each block instead of storing them.

    Args:
        shape: shape of one latent, `(channels, height, width)`.
        patch: side of the square patch that becomes one token.
        width, depth, heads: token width, number of blocks, attention heads per block.
        classes: number of class labels; label `classes` means no label. 0 builds no label table.
        learn_sigma: also predict a variance for each value, which doubles the output channels.
        mlp_ratio: hidden units of a block's perceptron, divided by `width`.
        frequency_shift: of the time embedding: 0 as published, 1 for weights of diffusers.
        norm_eps: added to the variance before each perceptron: 1e-5 for weights of diffusers.

    Raises:
        ValueError: a latent has other axes, a side of the grid is not a multiple of `patch`,
            `width` is not a multiple of 4 and of `heads`, the input has another shape, or a label
            is given with `classes=0`.

    Example:
        >>> dit = DiT.sized("S/2", shape=[4, 32, 32])
        >>> t, label = torch.tensor([0.0, 999.0]), torch.tensor([3, 1000])
        >>> dit(torch.zeros(2, 4, 32, 32), t, label).shape
        torch.Size([2, 8, 32, 32])
    """

    block: ClassVar[type[Block]] = Block
    sizes = SIZES

    def __init__(
        self,
        shape: Sequence[int] = (4, 32, 32),
        patch: int = 2,
        width: int = 1152,
        depth: int = 28,
        heads: int = 16,
        classes: int = 1000,
        learn_sigma: bool = True,
        mlp_ratio: float = 4.0,
        frequency_shift: int = 0,
        norm_eps: float = 1e-6,
    ) -> None:
        super().__init__()
        in_channels, *size = shape
        sides = self.patch_sides(patch)
        if len(sides) != len(size):
            raise ValueError(
                f"{type(self).__name__} reads latents with {len(sides)} axes after the channels, "
                f"found {tuple(shape)}: choose another prior/backbone"
            )
        if min(sides) < 1 or any(n % side for n, side in zip(size, sides, strict=True)):
            raise ValueError(
                f"patches of side {' x '.join(map(str, dict.fromkeys(sides)))} do not tile a grid "
                f"of {tuple(size)}"
            )
        if heads < 1 or width < 1 or width % 4 or width % heads:
            raise ValueError(f"width must be a multiple of 4 and of {heads} heads, found {width}")
        self.shape = tuple(shape)
        self.patch = patch
        self.classes = classes
        self.frequency_shift, self.norm_eps = frequency_shift, norm_eps
        self.checkpointing = False
        self.x_embedder = PatchEmbedder(in_channels, sides, width)
        self.t_embedder = TimestepEmbedder(width, frequency_shift)
        self.y_embedder = LabelEmbedder(classes, width) if classes else None
        # Not trained: a parameter only so that counts and checkpoints match the published ones.
        self.pos_embed = nn.Parameter(position_embedding(self.grid, width), requires_grad=False)
        self.blocks = nn.ModuleList(self.build_block(width, heads, mlp_ratio) for _ in range(depth))
        self.final_layer = self.build_final(width, (1 + learn_sigma) * in_channels * prod(sides))
        self.reset_parameters()

    @classmethod
    def sized(cls, name: str, **arguments: Any) -> "DiT":
        """Build a published size by name, such as "XL/2": transformer size, then patch side.

        Raises:
            ValueError: the name is unknown.
        """
        size, _, patch = name.partition("/")
        if size not in cls.sizes or not patch.isdecimal():
            raise ValueError(
                f"sizes are {', '.join(cls.sizes)}, then /patch as in XL/2; found {name!r}"
            )
        return cls(patch=int(patch), **cls.sizes[size], **arguments)

    def patch_sides(self, patch: int) -> tuple[int, ...]:
        """Sides of a patch, one for each axis of the grid."""
        return patch, patch

    @property
    def grid(self) -> list[int]:
        """Numbers of tokens along each axis."""
        sides = self.patch_sides(self.patch)
        return [n // side for n, side in zip(self.shape[1:], sides, strict=True)]

    def build_block(self, width: int, heads: int, mlp_ratio: float) -> nn.Module:
        """Build one block, which reads tokens, the condition, and what `through` was told."""
        return self.block(width, heads, mlp_ratio, self.norm_eps)

    def build_final(self, width: int, values: int) -> nn.Module:
        """Build the layer from tokens to the values of their patches."""
        return FinalLayer(width, values)

    def reset_parameters(self) -> None:
        """Draw new initial weights from the published distributions."""
        reset_parameters(self, self.blocks, self.final_layer)
        nn.init.xavier_uniform_(self.x_embedder.proj.weight.flatten(1))
        nn.init.zeros_(self.x_embedder.proj.bias)
        self.t_embedder.reset_parameters()
        if self.y_embedder is not None:
            nn.init.normal_(self.y_embedder.embedding_table.weight, std=0.02)

    def forward(
        self,
        x: Float[Tensor, "b c *grid"],
        t: Float[Tensor, " b"] | Int[Tensor, " b"],
        label: Int[Tensor, " b"] | None = None,
    ) -> Float[Tensor, "b _ *grid"]:
        """Predict from noisy latents `x` at times `t`, in the unit of the process.

        Without labels, every sample gets label `classes` (no label).
        """
        return self.through(x, self.condition(t, label))

    def through(
        self, x: Float[Tensor, "b c *grid"], condition: Float[Tensor, "b d"], *told: Tensor | None
    ) -> Float[Tensor, "b _ *grid"]:
        """Predict from noisy latents, given what modulates every block and what else these read."""
        if x.shape[1:] != self.shape:
            raise ValueError(f"built for latents of {self.shape}, found {tuple(x.shape[1:])}")
        h = self.x_embedder(x)
        # Under autocast this keeps the tokens in half precision, which halves memory traffic.
        h = h + self.pos_embed.to(h.dtype)
        for number in range(len(self.blocks)):
            h = self.step(number, h, condition, *told)
        return joined(self.final_layer(h, condition), self.grid, self.patch_sides(self.patch))

    def step(
        self,
        number: int,
        h: Float[Tensor, "b n d"],
        condition: Float[Tensor, "b d"],
        *told: Tensor | None,
    ) -> Float[Tensor, "b n d"]:
        """Tokens after a block, whose activations are recomputed if `checkpointing`."""
        block = self.blocks[number]
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(block, h, condition, *told, use_reentrant=False)
        return block(h, condition, *told)

    def condition(self, t: Tensor, label: Tensor | None) -> Float[Tensor, "b d"]:
        """Sum the time and label embeddings to the vector that modulates every block."""
        if self.y_embedder is None:
            if label is not None:
                raise ValueError("built with classes=0, found a label: leave it out or set classes")
            return self.t_embedder(t)
        if label is None:
            label = torch.full(t.shape, self.classes, device=t.device)
        return self.t_embedder(t) + self.y_embedder(label)
