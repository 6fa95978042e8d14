"""A plain transformer over the points of a set: the default where nothing has to be equivariant.

Blocks are those of Peebles and Xie, "Scalable diffusion models with transformers", 2023, on one
token a point without position embedding, as in Joshi et al., "All-atom diffusion transformers",
2025.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ldm.networks.embedders import TimestepEmbedder
from ldm.networks.molecules.by_size import cut
from ldm.networks.molecules.masked import features_of_all, occupied
from ldm.networks.transformer import Block, FinalLayer, check_heads, reset_parameters

__all__ = ["AtomTransformer"]


class AtomTransformer(nn.Module):
    """Denoises sets of points, given the time and properties of the set.

    Points in another order come out in that order; nothing else is built in, so train it on
    molecules that are rotated at random (`data.rotate=true`). At initialisation the output is
    zero. With `checkpointing` set to True, the backward
    pass recomputes the activations of each block instead of storing them.

    Args:
        shape: of one point set, `(places, features)`: positions count as features.
        width, depth, heads: token width, number of blocks, attention heads per block.
        property_shape: of the properties that each sample is told.
        horizon: the time that the network reads as 1000, in the unit of the process.
        mlp_ratio: hidden units of a block's perceptron, divided by `width`.

    Raises:
        ValueError: `width` is not a multiple of `heads`, or a size is less than 1.

    Example: on molecules of up to 29 atoms, of five elements.
        >>> network = AtomTransformer([29, 8], width=64, depth=2, heads=4)
        >>> noisy, mask = torch.zeros(2, 29, 8), torch.ones(2, 29).bool()
        >>> network(noisy, torch.tensor([0.0, 1.0]), mask).shape
        torch.Size([2, 29, 8])
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: int = 256,
        depth: int = 8,
        heads: int = 8,
        property_shape: Sequence[int] = (0,),
        horizon: float = 1.0,
        mlp_ratio: float = 4.0,
    ) -> None:
        super().__init__()
        check_heads(width, depth, heads)
        self.horizon, self.checkpointing = horizon, False
        self.x_embedder = nn.Linear(shape[1], width)
        self.t_embedder = TimestepEmbedder(width)
        self.properties = math.prod(property_shape)
        self.y_embedder = nn.Linear(self.properties, width) if self.properties else None
        self.blocks = nn.ModuleList(Block(width, heads, mlp_ratio, 1e-6) for _ in range(depth))
        self.final_layer = FinalLayer(width, shape[1])
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial weights, as DiT does."""
        reset_parameters(self, self.blocks, self.final_layer)
        self.t_embedder.reset_parameters()

    def forward(
        self,
        noisy: Float[Tensor, "b places d"],
        t: Float[Tensor, " b"] | Int[Tensor, " b"],
        mask: Bool[Tensor, "b places"] | None = None,
        property: Float[Tensor, "b ..."] | None = None,
    ) -> Float[Tensor, "b places d"]:
        """Predict from noisy points at times `t`; zeros in empty places."""
        condition = self.t_embedder(t * (1000 / self.horizon))
        told = features_of_all(noisy, self.properties, property)
        if self.y_embedder is not None:
            condition = condition + self.y_embedder(told[:, 0])
        mask = occupied(noisy, mask)
        return cut(self._dense, mask, noisy, condition)

    def _dense(self, noisy: Tensor, mask: Tensor, condition: Tensor) -> Tensor:
        h = self.x_embedder(noisy)
        # A set without points still needs one to attend to.
        seen = mask | ~mask.any(1, keepdim=True)
        for block in self.blocks:
            if self.checkpointing and torch.is_grad_enabled():
                h = checkpoint(block, h, condition, seen, use_reentrant=False)
            else:
                h = block(h, condition, seen)
        return torch.where(mask.unsqueeze(-1), self.final_layer(h, condition), 0)
