"""The four sets of plain graphs on which graph generators are compared.

Sources: You et al., "GraphRNN", 2018 (community-small, ego-small, grid), and Schomburg et al.,
"BRENDA", 2004 (ENZYMES), in the files of Jo, Lee and Hwang, "Score-based Generative Modeling of
Graphs via the System of Stochastic Differential Equations" (GDSS), 2022.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from data.files.errors import DataError
from data.files.roots import find, looked_for
from data.graphs.base import Graphs
from data.graphs.json_files import read_json
from data.graphs.packed import Graph, PackedGraphs
from data.graphs.pickles import read_pickle

__all__ = ["CommunitySmall", "EgoSmall", "Enzymes", "GraphFile", "Grid", "by_degree"]


def by_degree(graphs: Sequence[Graph]) -> PackedGraphs:
    """Pack graphs with their nodes' degrees, less one, for classes, as GLAD encodes them.

    Raises:
        DataError: a node has no edge.
    """
    found = []
    for number, graph in enumerate(graphs):
        degrees = np.bincount(graph.ends.ravel(), minlength=len(graph.kinds))
        if not degrees.all():
            raise DataError(
                f"graph {number} has a node without an edge, which no class stands for: remove it"
            )
        kinds = (degrees - 1).clip(max=255)  # more would wrap around to classes that are there
        found.append(graph._replace(kinds=kinds.astype(np.uint8)))
    return PackedGraphs.of(found)


class GraphFile(Graphs):
    """Graphs of a published pickle, or of the same list in JSON; node classes are degrees.

    Args:
        permute: give the nodes of every sample that is drawn for training a random order.
        seed: of the order of samples and of nodes.
        workers: number of data loading processes.
        root: folder of the file; see data/README.md for the folders searched by default.

    Raises:
        DataError: the file is missing, damaged, or holds another number of graphs.
    """

    file: ClassVar[str]
    """Name of the file without its ending."""

    count: ClassVar[int]
    """Number of graphs in the file."""

    def __init__(
        self, permute: bool = False, seed: int = 0, workers: int = 0, root: str | None = None
    ) -> None:
        super().__init__(permute, seed, workers)
        self.root = root

    def read(self) -> PackedGraphs:
        names = [f"{self.file}{ending}" for ending in (".pkl", ".json.gz", ".json")]
        places = [f"{folder}{name}" for name in names for folder in ("graphs/", "")]
        path = find(self.root, *places)
        if path is None:
            raise DataError(
                f"{self.name} is at none of {looked_for(self.root, *places)}: set `root` or "
                f"LDM_DATA, or copy data/{self.file}.pkl of the GitHub repository harryjo97/GDSS "
                f"to datasets/graphs"
            )
        graphs = read_pickle(path) if path.suffix == ".pkl" else read_json(path)
        if len(graphs) != self.count:
            raise DataError(
                f"{path} should hold {self.count} graphs, got {len(graphs)}: fetch the original"
            )
        return by_degree(graphs)


def _degrees(largest: int) -> tuple[str, ...]:
    return tuple(str(degree) for degree in range(1, largest + 1))


class CommunitySmall(GraphFile):
    """100 graphs of two equal communities joined by an edge, of 12 to 20 nodes; 80 + 20."""

    name, file, count = "community-small", "community_small", 100
    places, kinds = 20, _degrees(9)


class EgoSmall(GraphFile):
    """200 neighbourhoods of papers that cite each other (Citeseer), 4 to 17 nodes; 160 + 40."""

    name, file, count = "ego-small", "ego_small", 200
    places, kinds = 18, _degrees(16)  # 18 as in GLAD


class Enzymes(GraphFile):
    """587 protein graphs of enzymes (BRENDA), 10 to 125 nodes; 470 + 117."""

    name, file, count = "ENZYMES", "ENZYMES", 587
    places, kinds = 125, _degrees(9)


class Grid(GraphFile):
    """100 rectangular grids of 110 to 361 nodes; 80 + 20."""

    name, file, count = "grid", "grid", 100
    places, kinds = 361, _degrees(4)
