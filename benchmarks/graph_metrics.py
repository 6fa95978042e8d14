"""Discrepancies of two sets of 1,000 graphs of 20 nodes, compared with networkx and enumeration.

Statistics of both sets (degrees, clustering, orbits, spectra) and the discrepancies between them.
The baseline computes the same statistics with networkx, and orbits by looking at every set of four
nodes; it is measured on 10 graphs and scaled to 2,000, the discrepancies of ours added.

Run it with `python -m benchmarks.graph_metrics`.
"""

import time
from itertools import combinations

import networkx
import numpy as np

from eval.metrics.graphs import graph_discrepancies, statistics

GRAPHS, NODES, MEASURED = 1000, 20, 10
Row = tuple[str, float, float, str, str]


def drawn(first: int) -> list[np.ndarray]:
    """Draw graphs of a density such as community-small's."""
    graphs = (networkx.gnp_random_graph(NODES, 0.3, seed=first + k) for k in range(GRAPHS))
    return [networkx.to_numpy_array(graph) for graph in graphs]


def enumerated(matrix: np.ndarray) -> None:
    """Compute the statistics of one graph with networkx, and look at each set of four nodes."""
    graph = networkx.from_numpy_array(matrix)
    networkx.degree_histogram(graph)
    networkx.clustering(graph)
    networkx.normalized_laplacian_spectrum(graph)
    for nodes in combinations(range(len(matrix)), 4):
        inside = matrix[np.ix_(nodes, nodes)]
        sorted(inside.sum(0))  # tells the graphlets apart


def rows() -> list[Row]:
    """Measure; one row: name, our seconds, baseline seconds, baseline, target."""
    one, other = drawn(0), drawn(GRAPHS)
    start = time.perf_counter()
    found = statistics(one), statistics(other)
    middle = time.perf_counter()
    graph_discrepancies(*found)
    ours = time.perf_counter() - start
    compared = start + ours - middle
    start = time.perf_counter()
    for graph in one[:MEASURED]:
        enumerated(graph)
    theirs = (time.perf_counter() - start) * 2 * GRAPHS / MEASURED + compared
    what = f"graph discrepancies, 2 x {GRAPHS:,} graphs of {NODES} nodes"
    return [(what, ours, theirs, "networkx, enumeration", "under 20 s")]


if __name__ == "__main__":
    for row in rows():
        print(row)
