"""The base class of data sets of graphs: splits, requests of sizes, drawings, files."""

import math
from abc import abstractmethod
from collections.abc import Hashable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from data.batch import Batch
from data.files.errors import DataError
from data.files.whole import write_whole
from data.graphs.dense import adjacency, discrete, occupied, split
from data.graphs.drawing import draw_graphs
from data.graphs.json_files import as_json
from data.graphs.packed import Graph, GraphDataset, PackedGraphs
from data.module import DataModule
from data.order import mix

__all__ = ["Graphs"]

SIZES = 3  # stream id of the numbers of nodes of generated graphs


class Graphs(DataModule):
    """Undirected graphs, padded to one size: nodes of a class, edges with or without an order.

    Args:
        permute: give the nodes of every sample that is drawn for training a random order.
        seed: of the order of samples and of nodes.
        workers: number of data loading processes.
    """

    places: int
    """Number of nodes that graphs are padded to."""

    kinds: tuple[str, ...]
    """Names of the node classes: elements, or degrees."""

    orders: int = 1
    """The largest order of an edge: 1 for plain edges, 3 for kekulised bonds."""

    shown = 16

    def __init__(self, permute: bool = False, seed: int = 0, workers: int = 0) -> None:
        super().__init__(seed, workers)
        self.permute = permute
        self.views = () if permute else ("plain",)  # there are too many orders to list

    @abstractmethod
    def read(self) -> PackedGraphs:
        """Read or make all graphs, in the order of their file.

        Raises:
            DataError: the file is missing or damaged.
        """

    def held_out(self, n: int) -> Bool[np.ndarray, " n"]:
        """Tell which of `n` graphs are the test split: the first fifth, as in GDSS and GLAD."""
        return np.arange(n) < n // 5

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of one `x`: places, and classes before the row of the adjacency matrix."""
        return self.places, len(self.kinds) + self.places

    @property
    def interface(self) -> dict[str, Any]:
        """The largest order of an edge."""
        return {"orders": self.orders}

    @cached_property
    def _graphs(self) -> PackedGraphs:
        graphs = self.read()
        if graphs.sizes.max() > self.places or graphs.kinds.max() >= len(self.kinds):
            raise DataError(
                f"{self.name} should hold graphs of at most {self.places} nodes of "
                f"{len(self.kinds)} classes, got {graphs.sizes.max()} nodes and class "
                f"{graphs.kinds.max()}: fetch the published file"
            )
        return graphs

    def load(self, split: str) -> GraphDataset:
        test = self.held_out(len(self._graphs.sizes))
        chosen = self._graphs.select(test if split == "test" else ~test)
        if not len(chosen.sizes):
            raise DataError(f"the {split} split of {self.name} is empty: it needs more graphs")
        return GraphDataset(chosen, self.places, len(self.kinds), self.permute)

    def example(self, n: int) -> Batch:
        """Graphs without edges that fill all places."""
        mask = torch.ones(n, self.places, dtype=torch.bool)
        return {"x": torch.zeros(n, *self.shape), "mask": mask}

    def requests(self, indices: Sequence[int], seed: int, nodes: Any = None, **asked: Any) -> Batch:
        """Masks of generated graphs; numbers of nodes are drawn from those of the train split.

        Args:
            indices: indices of the samples in the whole generated set.
            seed: of the whole generated set.
            nodes: number of nodes of all graphs.
            **asked: nothing else can be asked for.

        Raises:
            DataError: `nodes` is not a number that fits the padding, or something else is asked.
        """
        batch = super().requests(indices, seed, **asked)
        if nodes is None:
            drawn = mix(seed, SIZES, batch["index"].numpy()) % np.uint64(len(self.train_dataset))
            sizes = self.train_dataset.sizes[torch.from_numpy(drawn.astype(np.int64))]
        elif type(nodes) is int and 0 < nodes <= self.places:
            sizes = torch.full_like(batch["index"], nodes)
        else:
            raise DataError(
                f"nodes of {self.name} must be a number from 1 to {self.places}, got {nodes}"
            )
        return {**batch, "mask": occupied(sizes, self.places)}

    def meaning(self, key: str) -> Hashable:
        if key == "x":
            return (
                f"nodes {', '.join(self.kinds)}; orders up to {self.orders}; {self.places} places"
            )
        return super().meaning(key)

    def compact(self, batch: Batch) -> Batch:
        """Round nodes to their likeliest class and edges to whole orders, as bytes."""
        kinds = split(batch["x"])[0]
        nodes = torch.nn.functional.one_hot(kinds.argmax(2), kinds.shape[2])
        nodes = (nodes * batch["mask"][..., None]).to(torch.uint8)
        return {**batch, "x": torch.cat([nodes, adjacency(batch)], 2)}

    def graphs(self, batch: Batch) -> list[Graph]:
        """Read the graphs of a batch, real or generated."""
        found = []
        for kinds, edges in zip(*discrete(batch), strict=True):
            ends = edges.triu(1).nonzero()
            orders = edges[ends[:, 0], ends[:, 1]].clamp(max=self.orders)
            found.append(Graph(kinds.byte().numpy(), ends.numpy(), orders.numpy()))
        return found

    def show(self, batch: Batch, columns: int | None = None) -> Float[Tensor, "3 h w"]:
        """Draw graphs in a grid, by default a square one; see `draw_graphs`."""
        graphs = self.graphs(batch)
        columns = min(columns or math.ceil(math.sqrt(len(graphs))), len(graphs))
        return draw_graphs(graphs, self.kinds, columns, labelled=self.orders > 1)

    def save(self, folder: Path, batch: Batch) -> None:
        """Write `graphs.json`, and each graph as `000000.graphml`, named by its index."""
        import networkx

        graphs = self.graphs(batch)
        folder.mkdir(parents=True, exist_ok=True)
        text = as_json(graphs, self.kinds if self.orders > 1 else None)
        write_whole(folder / "graphs.json", lambda part: part.write_text(text + "\n"))
        for number, graph in zip(batch["index"].tolist(), graphs, strict=True):
            drawn = networkx.Graph()
            for node, kind in enumerate(graph.kinds.tolist()):
                drawn.add_node(node, **({"kind": self.kinds[kind]} if self.orders > 1 else {}))
            for (one, other), order in zip(graph.ends.tolist(), graph.orders.tolist(), strict=True):
                drawn.add_edge(one, other, **({"order": order} if self.orders > 1 else {}))
            networkx.write_graphml(drawn, folder / f"{number:06}.graphml")
