"""Statistics of the nodes of graphs, by which sets of graphs are compared."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Shaped

from eval.metrics.graphs.orbits import orbit_counts

__all__ = ["GraphStatistics", "padded", "statistics", "stripped"]

CLUSTERING_BINS, SPECTRUM_BINS = 100, 200
SPECTRUM = (-1e-5, 2.0)  # zero eigenvalues may round to less

Adjacency = Shaped[np.ndarray, "_ _"]


class GraphStatistics(NamedTuple):
    """Statistics of a set of graphs, one row a graph.

    Attributes:
        degree: number of nodes of each degree.
        clustering: histogram of the nodes' clustering coefficients, 100 bins on [0, 1].
        orbit: how often a node is in each of 15 orbits, on average.
        spectrum: histogram of the eigenvalues of the normalised Laplacian, 200 bins on [0, 2].
    """

    degree: Float64[np.ndarray, "graphs degrees"]
    clustering: Float64[np.ndarray, "graphs 100"]
    orbit: Float64[np.ndarray, "graphs 15"]
    spectrum: Float64[np.ndarray, "graphs 200"]


def statistics(graphs: Sequence[Adjacency]) -> GraphStatistics:
    """Compute the statistics of graphs.

    Args:
        graphs: symmetric adjacency matrices; what is not zero is an edge. Every row is a node: see
            `padded` and `stripped`.

    Example: a triangle.
        >>> found = statistics([1 - np.eye(3)])
        >>> found.degree.tolist(), found.orbit[0, :4].tolist()
        ([[0.0, 0.0, 3.0]], [2.0, 0.0, 0.0, 1.0])
    """
    edges = [_edges(graph) for graph in graphs]
    width = max(int(one.sum(1).max()) for one in edges) + 1
    orbits = [orbit_counts(one) for one in edges]
    return GraphStatistics(
        np.stack([np.bincount(one.sum(1), minlength=width) for one in edges]).astype(np.float64),
        np.stack([_clustering(counts) for counts in orbits]),
        np.stack([counts.mean(0) for counts in orbits]),
        np.stack([_spectrum(one) for one in edges]),
    )


def _edges(graph: Adjacency) -> Bool[np.ndarray, "n n"]:
    return (graph != 0) & ~np.eye(len(graph), dtype=bool)


def _clustering(orbits: Shaped[np.ndarray, "n 15"]) -> Float64[np.ndarray, " 100"]:
    degree, triangles = orbits[:, 0], orbits[:, 3]
    found = 2 * triangles / np.maximum(degree * (degree - 1), 1)
    return np.histogram(found, CLUSTERING_BINS, (0.0, 1.0))[0].astype(np.float64)


def _spectrum(edges: Bool[np.ndarray, "n n"]) -> Float64[np.ndarray, " 200"]:
    """Compute the histogram of `I - D^-1/2 A D^-1/2`, with 0 for nodes without an edge."""
    degree = edges.sum(1)
    scale = 1 / np.sqrt(np.maximum(degree, 1))
    laplacian = np.diag(degree > 0) - scale[:, None] * edges * scale
    values = np.linalg.eigvalsh(laplacian)
    return np.histogram(values, SPECTRUM_BINS, SPECTRUM)[0].astype(np.float64)


def padded(graphs: Sequence[Adjacency], places: int) -> list[Adjacency]:
    """Add nodes without edges until every graph has `places` nodes.

    So GDSS and GLAD compare graphs. The nodes that are added are alike in both sets, which brings
    histograms and mean orbit counts closer together: values are mostly far smaller.
    """
    return [np.pad(graph, (0, places - len(graph))) for graph in graphs]


def stripped(graphs: Sequence[Adjacency]) -> list[Adjacency]:
    """Remove nodes without edges; a graph that has no others keeps one."""
    found = []
    for graph in graphs:
        kept = _edges(graph).any(1)
        kept[0] |= not kept.any()
        found.append(graph[kept][:, kept])
    return found
