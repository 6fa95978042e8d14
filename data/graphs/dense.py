"""Graphs in a batch: one-hot nodes and the rows of the adjacency matrix, padded to equal sizes."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Int64, Num, UInt8
from torch import Tensor

from data.batch import Batch

__all__ = ["DiscreteGraphs", "adjacency", "discrete", "occupied", "split"]


def split(
    x: Num[Tensor, "b n width"],
) -> tuple[Num[Tensor, "b n classes"], Num[Tensor, "b n n"]]:
    """Split `x` of a batch into its nodes and its edges; `width` is `classes + n`.

    Example:
        >>> nodes, edges = split(torch.zeros(1, 5, 7))
        >>> nodes.shape, edges.shape
        (torch.Size([1, 5, 2]), torch.Size([1, 5, 5]))
    """
    nodes, edges = x.split([x.shape[2] - x.shape[1], x.shape[1]], dim=2)
    return nodes, edges


def occupied(sizes: Int64[Tensor, " b"], places: int) -> Bool[Tensor, "b places"]:
    """Build the mask of graphs with these numbers of nodes: occupied places come first."""
    return torch.arange(places, device=sizes.device) < sizes[:, None]


def adjacency(batch: Batch) -> UInt8[Tensor, "b n n"]:
    """Round the edges of a batch, real or generated, to whole numbers.

    Generated edges may be soft and unequal in their two directions: the mean of both is rounded.
    The diagonal and padding are zero.
    """
    edges, mask = split(batch["x"])[1].float(), batch["mask"]
    edges = ((edges + edges.mT) / 2).round().clamp(min=0)
    pairs = (
        mask[:, :, None] & mask[:, None, :] & ~torch.eye(mask.shape[1], device=mask.device).bool()
    )
    return torch.where(pairs, edges, 0).to(torch.uint8)


class DiscreteGraphs(NamedTuple):
    """Graphs without padding, on the CPU.

    Attributes:
        nodes: class of each node of each graph.
        edges: symmetric matrix of each graph, 0 without an edge, else 1 or the bond order.
    """

    nodes: list[Int64[Tensor, " _"]]
    edges: list[UInt8[Tensor, "_ _"]]


def discrete(batch: Batch) -> DiscreteGraphs:
    """Reduce a batch, real or generated, to the graphs in it."""
    kinds, edges = split(batch["x"])[0].argmax(2).cpu(), adjacency(batch).cpu()
    sizes = batch["mask"].sum(1).tolist()
    return DiscreteGraphs(
        [row[:size] for row, size in zip(kinds, sizes, strict=True)],
        [rows[:size, :size] for rows, size in zip(edges, sizes, strict=True)],
    )
