"""Graphs of two communities, drawn when they are needed: for demonstrations, without files."""

import random

import numpy as np

from data.files.errors import DataError
from data.graphs.base import Graphs
from data.graphs.generic import by_degree
from data.graphs.packed import Graph, PackedGraphs
from data.values import check_seed

__all__ = ["Communities"]

SMALLEST, LARGEST = 6, 10  # nodes of one community
INSIDE = 0.7  # probability of an edge between two nodes of a community


class Communities(Graphs):
    """Graphs like those of community-small: two equal communities joined by one edge.

    A community is a random graph of 6 to 10 nodes, each pair joined with probability 0.7, drawn
    again until it is connected. The first fifth is the test split.

    Args:
        graphs: number of graphs.
        data_seed: of the graphs.
        permute: give the nodes of every sample that is drawn for training a random order.
        seed: of the order of samples and of nodes.
        workers: number of data loading processes.

    Raises:
        DataError: there are fewer than 5 graphs, or a seed is negative.

    Example:
        >>> data = Communities(graphs=100)
        >>> len(data.train_dataset), len(data.test_dataset), data.shape
        (80, 20, (20, 30))
    """

    name = "communities"
    places = 2 * LARGEST
    kinds = tuple(str(degree) for degree in range(1, LARGEST + 1))

    def __init__(
        self,
        graphs: int = 500,
        data_seed: int = 0,
        permute: bool = False,
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        super().__init__(permute, seed, workers)
        check_seed(data_seed=data_seed)
        if graphs < 5:
            raise DataError(f"communities need 5 graphs or more to be split, got {graphs}")
        self.number, self.data_seed = graphs, data_seed

    def read(self) -> PackedGraphs:
        source = random.Random(self.data_seed)
        return by_degree([_draw(source) for _ in range(self.number)])


def _draw(source: random.Random) -> Graph:
    import networkx

    size, ends = source.randint(SMALLEST, LARGEST), []
    for first in (0, size):
        while True:
            community = networkx.gnp_random_graph(size, INSIDE, source)
            if networkx.is_connected(community):
                break
        ends += [(first + one, first + other) for one, other in community.edges]
    ends.append((source.randrange(size), size + source.randrange(size)))
    return Graph(
        np.zeros(2 * size, np.uint8), np.array(ends, np.int64), np.ones(len(ends), np.uint8)
    )
