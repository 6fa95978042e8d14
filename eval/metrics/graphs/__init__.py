"""Metrics of sets of graphs: their discrepancies by statistics of nodes, and by neighbourhoods."""

from eval.metrics.graphs.discrepancies import KERNELS, graph_discrepancies
from eval.metrics.graphs.erdos_renyi import erdos_renyi
from eval.metrics.graphs.nspdk import nspdk_discrepancy, nspdk_features
from eval.metrics.graphs.orbits import orbit_counts
from eval.metrics.graphs.statistics import GraphStatistics, padded, statistics, stripped

__all__ = [
    "KERNELS",
    "GraphStatistics",
    "erdos_renyi",
    "graph_discrepancies",
    "nspdk_discrepancy",
    "nspdk_features",
    "orbit_counts",
    "padded",
    "statistics",
    "stripped",
]
