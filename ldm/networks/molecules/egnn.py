"""The E(n)-equivariant graph network of EDM and GeoLDM, on all pairs of points at once.

Sources: Satorras, Hoogeboom and Welling, "E(n) equivariant graph neural networks", 2021; as in
Hoogeboom et al., "Equivariant diffusion for molecule generation in 3D", 2022, appendix B. Weights
have the published names, but for `blocks.{i}.gcl` in place of `e_block_{i}.gcl_0` and
`blocks.{i}.coord_mlp` in place of `e_block_{i}.gcl_equiv.coord_mlp`.

Three things make it fast. The first layer of a perceptron of pairs is linear in `[h_i, h_j, e_ij]`,
so its products with h are taken once a point; messages are summed by a matrix product with their
gates; and a batch is cut into parts of equal size, so that few pairs are of padding.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ldm.networks.molecules.by_size import in_parts
from ldm.networks.molecules.distances import Distances, differences

__all__ = ["EGNN"]

REACH = 15.0
"""The largest move of a point by one other in one block, in the unit of the positions."""


def perceptron_of_pairs(width: int, pairs: int, *last: nn.Module) -> nn.Sequential:
    """Layers of a perceptron of two points' features, and features of their distances."""
    hidden = [nn.Linear(2 * width + pairs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()]
    return nn.Sequential(*hidden, *last)


def of_pairs(
    layers: nn.Sequential, h: Float[Tensor, "b n d"], apart: Float[Tensor, "b n n e"]
) -> Float[Tensor, "b n n _"]:
    """`layers([h_i, h_j, apart_ij])` for all pairs, without building what is in brackets."""
    first, width = layers[0], h.shape[-1]
    receiver, sender, distance = first.weight.split([width, width, apart.shape[-1]], 1)
    pairs = F.linear(h, receiver, first.bias).unsqueeze(2) + F.linear(h, sender).unsqueeze(1)
    shape, apart = pairs.shape, apart.flatten(0, 2).to(pairs.dtype)
    pairs = torch.addmm(pairs.flatten(0, 2), apart, distance.T.to(pairs.dtype)).view(shape)
    return layers[1:](pairs)


class GCL(nn.Module):
    """A graph convolution: gated messages from all other points, and a residual perceptron.

    Args:
        width: of the features.
        pairs: features of the distances.
        normalization: divides the sum of the messages.
    """

    def __init__(self, width: int, pairs: int, normalization: float) -> None:
        super().__init__()
        self.normalization = normalization
        self.edge_mlp = perceptron_of_pairs(width, pairs)
        self.node_mlp = nn.Sequential(
            nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.att_mlp = nn.Sequential(nn.Linear(width, 1), nn.Sigmoid())

    def forward(
        self,
        h: Float[Tensor, "b n d"],
        apart: Float[Tensor, "b n n e"],
        edges: Bool[Tensor, "b n n"],
    ) -> Float[Tensor, "b n d"]:
        messages = of_pairs(self.edge_mlp, h, apart)
        gates = self.att_mlp(messages).transpose(2, 3) * edges.unsqueeze(2)
        received = (gates @ messages).squeeze(2) / self.normalization
        return h + self.node_mlp(torch.cat([h, received.to(h.dtype)], -1))


class Block(nn.Module):
    """A graph convolution, then a move of each point along its directions to the others.

    Args:
        width: of the features.
        normalization: divides the sums over the other points.
        waves: see `Distances`.
    """

    def __init__(self, width: int, normalization: float, waves: int) -> None:
        super().__init__()
        self.normalization = normalization
        self.distances = Distances(waves)
        self.gcl = GCL(width, self.distances.out_features, normalization)
        last = nn.Linear(width, 1, bias=False)
        nn.init.xavier_uniform_(last.weight, gain=0.001)
        self.coord_mlp = perceptron_of_pairs(width, self.distances.out_features, last)

    def forward(
        self,
        h: Float[Tensor, "b n d"],
        x: Float[Tensor, "b n 3"],
        first_squares: Float[Tensor, "b n n"],
        edges: Bool[Tensor, "b n n"],
    ) -> tuple[Float[Tensor, "b n d"], Float[Tensor, "b n 3"]]:
        """Features and positions after the block, from those before it."""
        apart, square = differences(x)
        pairs = self.distances(torch.stack([square, first_squares], -1))
        h = self.gcl(h, pairs, edges)
        steps = torch.tanh(of_pairs(self.coord_mlp, h, pairs)) * (REACH * edges.unsqueeze(-1))
        directions = apart / ((square + 1e-8).sqrt() + 1).unsqueeze(-1)
        return h, x + (directions * steps).sum(2) / self.normalization


class EGNN(nn.Module):
    """Maps features and positions to features and positions, whatever frame and order they are in.

    Rotations and reflections of the positions, and moves of them all, act on the positions that
    come out; exchanging points exchanges what comes out. The mask may leave places empty: they have
    no influence, and come out as zeros.

    With `checkpointing` set to True, the backward pass recomputes the activations of each block
    instead of storing them.

    Args:
        in_features, out_features: of each point.
        width: of the features in between.
        depth: number of blocks.
        normalization: divides the sums over other points.
        waves: wavelengths at which distances are read; 0 for their squares, as published.

    Raises:
        ValueError: `width` or `depth` is less than 1.

    Example: the network of EDM on QM9: types, a charge and the time of each atom.
        >>> network = EGNN(7, 7, width=256, depth=9)
        >>> h, x = network(torch.zeros(2, 5, 7), torch.zeros(2, 5, 3), torch.ones(2, 5).bool())
        >>> h.shape, x.shape
        (torch.Size([2, 5, 7]), torch.Size([2, 5, 3]))
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int = 256,
        depth: int = 9,
        normalization: float = 1.0,
        waves: int = 0,
    ) -> None:
        super().__init__()
        if width < 1 or depth < 1:
            raise ValueError(
                f"an EGNN needs a width and a depth of 1 or more, got {width}, {depth}"
            )
        self.checkpointing = False
        self.embedding = nn.Linear(in_features, width)
        self.blocks = nn.ModuleList(Block(width, normalization, waves) for _ in range(depth))
        self.embedding_out = nn.Linear(width, out_features)

    def forward(
        self,
        h: Float[Tensor, "b n in"],
        x: Float[Tensor, "b n 3"],
        mask: Bool[Tensor, "b n"],
    ) -> tuple[Float[Tensor, "b n out"], Float[Tensor, "b n 3"]]:
        """Features and positions that come out, from those that go in."""
        return in_parts(self._dense, mask, (h, x, mask))

    def _dense(self, h: Tensor, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        places = mask.unsqueeze(-1)
        edges = places & mask.unsqueeze(1)
        edges = edges & ~torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
        h, first = self.embedding(h), differences(x)[1]
        for block in self.blocks:
            if self.checkpointing and torch.is_grad_enabled():
                h, x = checkpoint(block, h, x, first, edges, use_reentrant=False)
            else:
                h, x = block(h, x, first, edges)
        return torch.where(places, self.embedding_out(h), 0), torch.where(places, x, 0)
