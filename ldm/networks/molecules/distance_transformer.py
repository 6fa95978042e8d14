"""A transformer over the points of a set whose attention reads distances and moves the points.

Each block is that of Peebles and Xie, "Scalable diffusion models with transformers", 2023, with
three additions. Distances bias the attention, as in Ying et al., "Do transformers really perform
badly for graph representation?", 2021; they are also read with its weights, as pairs are in the
invariant point attention of Jumper et al., "Highly accurate protein structure prediction with
AlphaFold", 2021; and the directions to other points, so weighted, move the points, as in Satorras,
Hoogeboom and Welling, "E(n) equivariant graph neural networks", 2021. The features of a pair are
few, as many as heads and waves: an EGNN has as many as a point.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ldm.networks.embedders import TimestepEmbedder
from ldm.networks.linear import Linear
from ldm.networks.molecules.by_size import cut
from ldm.networks.molecules.distances import Distances, differences
from ldm.networks.molecules.masked import centred, features_of_all, occupied
from ldm.networks.transformer import (
    FinalLayer,
    Modulation,
    check_heads,
    modulated_norm,
    reset_parameters,
)

__all__ = ["DistanceTransformer"]


class DistanceTransformer(nn.Module):
    """Denoises sets of points in whatever frame and order they are in.

    Like `EGNNDenoiser`, it predicts vectors with zero mean for the positions, which turn with them
    and do not change when all are moved, and numbers for the features. At initialisation both are
    zero. With `checkpointing` set to True, the backward pass recomputes the activations of each
    block instead of storing them.

    Args:
        shape: of one point set, `(places, 3 + features)`.
        width, depth, heads: token width, number of blocks, attention heads per block.
        property_shape: of the properties that each sample is told.
        horizon: the time that the network reads as 1000, in the unit of the process.
        mlp_ratio: hidden units of a block's perceptron, divided by `width`.
        waves: wavelengths at which distances are read, see `Distances`.

    Raises:
        ValueError: points have no three coordinates, `width` is not a multiple of `heads`, or a
            size is less than 1.

    Example: on molecules of up to 29 atoms, of five elements.
        >>> network = DistanceTransformer([29, 8], width=64, depth=2, heads=4)
        >>> noisy, mask = torch.zeros(2, 29, 8), torch.ones(2, 29).bool()
        >>> network(noisy, torch.tensor([0.0, 1.0]), mask).shape
        torch.Size([2, 29, 8])
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: int = 192,
        depth: int = 6,
        heads: int = 8,
        property_shape: Sequence[int] = (0,),
        horizon: float = 1.0,
        mlp_ratio: float = 4.0,
        waves: int = 8,
    ) -> None:
        super().__init__()
        check_heads(width, depth, heads)
        features = shape[1] - 3
        if features < 0 or waves < 1:
            raise ValueError(
                f"points need three coordinates and distances a wave, got the shape {tuple(shape)} "
                f"and {waves} waves"
            )
        self.horizon, self.checkpointing = horizon, False
        self.x_embedder = nn.Linear(features, width)
        self.t_embedder = TimestepEmbedder(width)
        self.properties = math.prod(property_shape)
        self.y_embedder = nn.Linear(self.properties, width) if self.properties else None
        self.distances = Distances(waves, 1)
        self.blocks = nn.ModuleList(Block(width, heads, mlp_ratio, waves) for _ in range(depth))
        self.final_layer = FinalLayer(width, features)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial weights, as DiT does; no block moves a point."""
        reset_parameters(self, self.blocks, self.final_layer)
        self.t_embedder.reset_parameters()
        for block in self.blocks:
            nn.init.zeros_(block.move.weight)

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
        return cut(self._dense, occupied(noisy, mask), noisy, condition)

    def _dense(self, noisy: Tensor, mask: Tensor, condition: Tensor) -> Tensor:
        h, x = self.x_embedder(noisy[..., 3:]), noisy[..., :3]
        first = self.distances(differences(x)[1].unsqueeze(-1))
        # A set without points still needs one to attend to.
        seen = mask | ~mask.any(1, keepdim=True)
        for block in self.blocks:
            if self.checkpointing and torch.is_grad_enabled():
                h, x = checkpoint(block, h, x, first, condition, seen, use_reentrant=False)
            else:
                h, x = block(h, x, first, condition, seen)
        moves = centred(x - noisy[..., :3], mask)
        features = torch.where(mask.unsqueeze(-1), self.final_layer(h, condition), 0)
        return torch.cat([moves, features.to(moves.dtype)], -1)


class Block(nn.Module):
    """Attention that reads distances, a perceptron, and a move of each point.

    Args:
        width: of the tokens.
        heads: of the attention, each of which reads distances and directions of its own.
        mlp_ratio: hidden units of the perceptron, divided by `width`.
        waves: see `Distances`.
    """

    def __init__(self, width: int, heads: int, mlp_ratio: float, waves: int) -> None:
        super().__init__()
        hidden = int(width * mlp_ratio)
        self.heads, self.distances = heads, Distances(waves, 1)
        pairs = 2 * self.distances.out_features
        self.qkv = Linear(width, 3 * width)
        self.bias = nn.Linear(pairs, heads)
        self.proj = Linear(width + heads * (pairs + 1), width)
        self.mlp = nn.Sequential(Linear(width, hidden, gelu=True), Linear(hidden, width))
        self.move = nn.Linear(width, heads)
        self.adaLN_modulation = Modulation(width, 6)

    def forward(
        self,
        h: Float[Tensor, "b n d"],
        x: Float[Tensor, "b n 3"],
        first: Float[Tensor, "b n n waves"],
        condition: Float[Tensor, "b d"],
        seen: Bool[Tensor, "b n"],
    ) -> tuple[Float[Tensor, "b n d"], Float[Tensor, "b n 3"]]:
        """Tokens and positions after the block; those outside of `seen` influence no others."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(condition)
        read, moves = self._attend(modulated_norm(h, shift1, scale1), x, first, seen)
        h = torch.addcmul(h, gate1, self.proj(read))
        normed = modulated_norm(h, shift2, scale2)
        h = torch.addcmul(h, gate2, self.mlp(normed))
        return h, x + (self.move(normed).unsqueeze(-1) * moves).sum(2)

    def _attend(
        self, h: Tensor, x: Tensor, first: Tensor, seen: Tensor
    ) -> tuple[Float[Tensor, "b n read"], Float[Tensor, "b n heads 3"]]:
        """Values, waves and directions, averaged over the other points by each head's weights."""
        apart, square = differences(x)
        pairs = torch.cat([self.distances(square.unsqueeze(-1)), first], -1)
        q, k, v = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.qkv(h).chunk(3, 2)
        )
        scores = q * q.shape[3] ** -0.5 @ k.mT + self.bias(pairs).permute(0, 3, 1, 2)
        weights = scores.masked_fill(~seen[:, None, None], -torch.inf).softmax(3).to(v.dtype)
        directions = apart / ((square + 1e-8).sqrt() + 1).unsqueeze(-1)
        geometry = weights.transpose(1, 2) @ torch.cat([pairs, directions], -1).to(v.dtype)
        waves, moves = geometry.split([pairs.shape[-1], 3], -1)
        lengths = (moves.square().sum(-1) + 1e-6).sqrt()
        values = (weights @ v).transpose(1, 2).flatten(2)
        return torch.cat([values, waves.flatten(2), lengths], -1), moves
