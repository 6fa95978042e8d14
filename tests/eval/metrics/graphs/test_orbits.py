"""Orbit counts against the enumeration of all subgraphs."""

from itertools import combinations, permutations

import networkx
import numpy as np
import pytest

from eval.metrics.graphs import orbit_counts

# Connected graphs of two to four nodes, and the orbit of each of their nodes.
GRAPHLETS = [
    ([(0, 1)], [0, 0]),
    ([(0, 1), (1, 2)], [1, 2, 1]),
    ([(0, 1), (1, 2), (0, 2)], [3, 3, 3]),
    ([(0, 1), (1, 2), (2, 3)], [4, 5, 5, 4]),
    ([(0, 1), (0, 2), (0, 3)], [7, 6, 6, 6]),
    ([(0, 1), (1, 2), (2, 3), (0, 3)], [8, 8, 8, 8]),
    ([(0, 1), (1, 2), (2, 3), (1, 3)], [9, 11, 10, 10]),
    ([(0, 1), (1, 2), (2, 3), (0, 3), (0, 2)], [13, 12, 13, 12]),
    ([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)], [14, 14, 14, 14]),
]


def enumerated(graph: np.ndarray) -> np.ndarray:
    """Counts from the matching of every set of nodes with every graphlet."""
    known = {}
    for edges, orbits in GRAPHLETS:
        for order in permutations(range(len(orbits))):
            renamed = frozenset(frozenset((order[i], order[j])) for i, j in edges)
            known[len(orbits), renamed] = {order[node]: orbit for node, orbit in enumerate(orbits)}
    found = np.zeros((len(graph), 15), int)
    for size in (2, 3, 4):
        for nodes in combinations(range(len(graph)), size):
            pairs = combinations(range(size), 2)
            inside = frozenset(frozenset((i, j)) for i, j in pairs if graph[nodes[i], nodes[j]])
            for place, orbit in known.get((size, inside), {}).items():
                found[nodes[place], orbit] += 1
    return found


@pytest.mark.parametrize("density", [0.15, 0.4, 0.7, 1.0])
@pytest.mark.parametrize("size", [1, 4, 9, 13])
def test_counts_are_those_of_enumeration(size, density):
    drawn = np.triu(np.random.default_rng(size).random((size, size)) < density, 1)
    graph = drawn | drawn.T
    assert np.array_equal(orbit_counts(graph), enumerated(graph))


def test_bond_orders_and_the_diagonal_do_not_count():
    square = networkx.to_numpy_array(networkx.cycle_graph(4))
    assert np.array_equal(orbit_counts(3 * square + np.eye(4)), orbit_counts(square))


def test_counts_are_exact_on_a_large_clique():
    n = 120
    counts = orbit_counts(1 - np.eye(n))
    assert (counts[:, 14] == (n - 1) * (n - 2) * (n - 3) // 6).all()
    assert not counts[:, 4:14].any()
