"""Discrepancies against values computed by hand, and against optimal transport."""

import math

import networkx
import numpy as np
import pytest
from scipy.optimize import linprog

from eval.metrics.graphs import erdos_renyi, graph_discrepancies, padded, statistics


def cycle(n: int) -> np.ndarray:
    return networkx.to_numpy_array(networkx.cycle_graph(n))


def complete(n: int) -> np.ndarray:
    return 1 - np.eye(n)


def random_graphs(n: int, density: float) -> list[np.ndarray]:
    return [
        networkx.to_numpy_array(networkx.gnp_random_graph(10, density, seed=k)) for k in range(n)
    ]


@pytest.mark.parametrize("kernel", ["emd", "tv"])
def test_equal_sets_have_none_whatever_their_order(kernel):
    graphs = random_graphs(6, 0.4)
    found = graph_discrepancies(statistics(graphs), statistics(graphs[::-1]), kernel)
    assert found.keys() == {"degree", "clustering", "orbit", "spectrum"}
    assert all(abs(value) < 1e-12 for value in found.values())


def test_values_by_hand():
    # Degrees 2 against 4, clustering 1 against 0, of sets of one graph: 2 - 2 k.
    emd = graph_discrepancies(statistics([complete(5)]), statistics([cycle(5)]), "emd")
    tv = graph_discrepancies(statistics([complete(5)]), statistics([cycle(5)]), "tv")
    assert emd["degree"] == pytest.approx(2 - 2 * math.exp(-(2**2) / 2), abs=1e-5)
    assert emd["clustering"] == pytest.approx(2 - 2 * math.exp(-(0.99**2) / (2 * 0.1**2)), abs=1e-5)
    assert tv["degree"] == pytest.approx(2 - 2 * math.exp(-1 / 2), abs=1e-5)
    assert tv["clustering"] == pytest.approx(2 - 2 * math.exp(-1 / (2 * 0.1**2)), abs=1e-5)
    # Orbits of a node of K5: 4 edges, 6 triangles, 4 cliques; of the cycle: 2 edges, paths of
    # three (2 ends, 1 middle), paths of four (2 ends, 2 middles).
    squares = (4 - 2) ** 2 + 2**2 + 1 + 6**2 + 2**2 + 2**2 + 4**2
    assert emd["orbit"] == pytest.approx(2 - 2 * math.exp(-squares / (2 * 30**2)))
    half = (2 + 2 + 1 + 6 + 2 + 2 + 4) / 2
    assert tv["orbit"] == pytest.approx(2 - 2 * math.exp(-(half**2) / (2 * 30**2)))


def test_a_set_is_compared_with_itself_too():
    # {a, b} against {a}: 1/2 + k/2 + 1 - (1 + k) = (1 - k) / 2.
    one, two = statistics([complete(2)]), statistics([complete(2), complete(3)])
    k = math.exp(-1 / 2)
    assert graph_discrepancies(two, one)["degree"] == pytest.approx((1 - k) / 2, abs=1e-5)


def test_the_earth_movers_distance_is_that_of_optimal_transport():
    x, y = (statistics(random_graphs(1, density)).degree[0] for density in (0.3, 0.6))
    size = max(len(x), len(y))
    x, y = (np.pad(h / h.sum(), (0, size - len(h))) for h in (x, y))
    cost = np.abs(np.subtract.outer(range(size), range(size)))
    rows, columns = np.kron(np.eye(size), np.ones(size)), np.kron(np.ones(size), np.eye(size))
    moved = linprog(cost.ravel(), A_eq=np.vstack([rows, columns]), b_eq=np.concatenate([x, y])).fun
    found = graph_discrepancies(
        statistics(random_graphs(1, 0.3)), statistics(random_graphs(1, 0.6))
    )
    assert found["degree"] == pytest.approx(2 - 2 * math.exp(-(moved**2) / 2), abs=1e-5)


@pytest.mark.parametrize("kernel", ["emd", "tv"])
def test_padding_makes_discrepancies_of_degrees_and_orbits_smaller(kernel):
    sparse, dense = random_graphs(5, 0.3), random_graphs(5, 0.6)
    plain = graph_discrepancies(statistics(sparse), statistics(dense), kernel)
    wide = graph_discrepancies(
        *(statistics(padded(graphs, 40)) for graphs in (sparse, dense)), kernel
    )
    assert all(wide[name] < plain[name] / 3 for name in ("degree", "orbit"))


def test_random_graphs_have_the_sizes_and_densities_of_the_given_ones():
    given = [complete(6), np.zeros((9, 9)), cycle(14)]
    drawn = erdos_renyi(given, 600, seed=0)
    by_size = {n: [g for g in drawn if len(g) == n] for n in (6, 9, 14)}
    assert sum(map(len, by_size.values())) == 600
    assert min(map(len, by_size.values())) > 150
    assert all(np.array_equal(g, complete(6)) for g in by_size[6])
    assert not np.any(by_size[9])
    assert np.mean([g.sum() / 2 for g in by_size[14]]) == pytest.approx(14, rel=0.05)
    assert all((g == g.T).all() and not g.diagonal().any() for g in drawn)
    assert all(map(np.array_equal, drawn, erdos_renyi(given, 600, seed=0)))
