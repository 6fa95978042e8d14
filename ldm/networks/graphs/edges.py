"""Edges that networks read: powers of the adjacency matrix, and edges between latent nodes."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["latent_edges", "paths_of_two", "symmetric"]


def paths_of_two(edges: Float[Tensor, "b n n"]) -> Float[Tensor, "b n n 2"]:
    """Stack edges and, off the diagonal, the paths of two of them, normalised by degrees.

    The second is `E D^-1/2 E D^-1/2` without its diagonal, D being the sums of rows, at least 1.
    """
    degree = edges.abs().sum(2).clamp(min=1)
    scale = degree.rsqrt()
    two = edges @ (scale[:, :, None] * edges * scale[:, None])
    two = two - torch.diag_embed(two.diagonal(dim1=1, dim2=2))
    return torch.stack([edges, two], 3)


def latent_edges(
    nodes: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"]
) -> Float[Tensor, "b n n"]:
    """Compute `sigmoid(Z Z^T)` of latent nodes, with a zero diagonal and no edges of padding."""
    edges = (nodes @ nodes.mT).sigmoid() * (mask[:, :, None] & mask[:, None])
    return edges - torch.diag_embed(edges.diagonal(dim1=1, dim2=2))


def symmetric(edges: Float[Tensor, "b n n d"]) -> Float[Tensor, "b n n d"]:
    """Average the two directions of every edge."""
    return (edges + edges.transpose(1, 2)) / 2
