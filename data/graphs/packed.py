"""Many graphs in a few arrays, and the data set that makes padded batches of them."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from data.batch import Batch
from data.graphs.dense import occupied
from data.order import Draw, permutation

__all__ = ["Graph", "GraphDataset", "PackedGraphs"]

PLACES = 3  # stream id of the orders of nodes, which keeps them apart from those of samples


class Graph(NamedTuple):
    """One undirected graph without self-loops.

    Attributes:
        kinds: class of each node.
        ends: the two nodes of each edge, each edge once.
        orders: 1 for each edge, or its bond order.
    """

    kinds: UInt8[np.ndarray, " n"]
    ends: Int64[np.ndarray, "m 2"]
    orders: UInt8[np.ndarray, " m"]


class PackedGraphs(NamedTuple):
    """Graphs one after the other in arrays, which take little memory and one file.

    Attributes:
        sizes: number of nodes of each graph.
        counts: number of edges of each graph.
        kinds: class of each node.
        ends: the two nodes of each edge, counted within its graph.
        orders: 1 for each edge, or its bond order.
    """

    sizes: Int64[np.ndarray, " graphs"]
    counts: Int64[np.ndarray, " graphs"]
    kinds: UInt8[np.ndarray, " nodes"]
    ends: Int64[np.ndarray, "edges 2"]
    orders: UInt8[np.ndarray, " edges"]

    @classmethod
    def of(cls, graphs: Sequence[Graph]) -> "PackedGraphs":
        """Pack graphs, in order."""
        return cls(
            np.array([len(graph.kinds) for graph in graphs], np.int64),
            np.array([len(graph.ends) for graph in graphs], np.int64),
            np.concatenate([np.empty(0, np.uint8), *(graph.kinds for graph in graphs)]),
            np.concatenate([np.empty((0, 2), np.int64), *(graph.ends for graph in graphs)]),
            np.concatenate([np.empty(0, np.uint8), *(graph.orders for graph in graphs)]),
        )

    def select(self, chosen: Bool[np.ndarray, " graphs"]) -> "PackedGraphs":
        """Keep the graphs that a mask chooses."""
        nodes, edges = np.repeat(chosen, self.sizes), np.repeat(chosen, self.counts)
        return PackedGraphs(
            self.sizes[chosen],
            self.counts[chosen],
            self.kinds[nodes],
            self.ends[edges],
            self.orders[edges],
        )


class GraphDataset(Dataset):
    """Graphs in memory, returned as padded batches (see data/README.md).

    Args:
        graphs: the samples.
        places: number of nodes that batches are padded to.
        classes: number of node classes.
        permute: give the nodes of a sample that is drawn for training a random order.

    Example: a path of three nodes.
        >>> path = Graph(np.zeros(3, np.uint8), np.array([[0, 1], [1, 2]]), np.ones(2, np.uint8))
        >>> dataset = GraphDataset(PackedGraphs.of([path]), places=4, classes=1, permute=False)
        >>> dataset.__getitems__([0])["x"][0, :, 1:].int().tolist()
        [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    """

    def __init__(self, graphs: PackedGraphs, places: int, classes: int, permute: bool) -> None:
        self.graphs, self.places, self.classes, self.permute = graphs, places, classes, permute
        self.first_node = np.concatenate([[0], graphs.sizes.cumsum()])
        self.first_edge = np.concatenate([[0], graphs.counts.cumsum()])

    def __len__(self) -> int:
        return len(self.graphs.sizes)

    def __getitem__(self, item: int | Draw) -> Batch:
        return {key: value[0] for key, value in self.__getitems__([item]).items()}

    def __getitems__(self, items: Sequence[int | Draw]) -> Batch:
        draws = [item if isinstance(item, Draw) else Draw(item) for item in items]
        x = np.zeros((len(draws), self.places, self.classes + self.places), np.float32)
        index = np.array([range(len(self))[draw.index] for draw in draws])
        for row, (number, draw) in enumerate(zip(index, draws, strict=True)):
            kinds = self.graphs.kinds[self.first_node[number] : self.first_node[number + 1]]
            edges = slice(self.first_edge[number], self.first_edge[number + 1])
            ends, orders = self.graphs.ends[edges], self.graphs.orders[edges]
            places = np.arange(len(kinds))
            if self.permute and draw.seed is not None:
                places = permutation(len(kinds), draw.seed, PLACES)
            x[row, places, kinds] = 1
            one, other = places[ends].T
            x[row, one, self.classes + other] = x[row, other, self.classes + one] = orders
        sizes = torch.from_numpy(self.graphs.sizes[index])
        mask = occupied(sizes, self.places)
        return {"x": torch.from_numpy(x), "mask": mask, "index": torch.from_numpy(index)}

    @property
    def sizes(self) -> Int64[Tensor, " n"]:
        """Number of nodes of each graph."""
        return torch.from_numpy(self.graphs.sizes)

    def digest(self) -> str:
        """Hash all graphs, the size of the padding, and whether nodes are permuted."""
        digest = hashlib.sha256(repr((self.places, self.classes, self.permute)).encode())
        for array in self.graphs:
            digest.update(np.ascontiguousarray(array))
        return digest.hexdigest()
