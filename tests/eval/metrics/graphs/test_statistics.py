"""Statistics of graphs against networkx, and the two ways to treat padding."""

import networkx
import numpy as np

from eval.metrics.graphs import padded, statistics, stripped


def test_statistics_are_those_of_networkx():
    drawn = [networkx.gnp_random_graph(n, 0.35, seed=n) for n in (5, 12, 20)]
    found = statistics([networkx.to_numpy_array(graph) for graph in drawn])
    for number, graph in enumerate(drawn):
        degrees = networkx.degree_histogram(graph)
        assert found.degree[number][: len(degrees)].tolist() == degrees
        assert not found.degree[number][len(degrees) :].any()
        clustering = list(networkx.clustering(graph).values())
        assert np.array_equal(found.clustering[number], np.histogram(clustering, 100, (0, 1))[0])
        values = networkx.normalized_laplacian_spectrum(graph)
        assert np.array_equal(found.spectrum[number], np.histogram(values, 200, (-1e-5, 2))[0])


def test_padding_adds_lonely_nodes_and_stripping_removes_them():
    pair = np.array([[0, 2], [2, 0]])
    (wide,) = padded([pair], 5)
    assert wide.shape == (5, 5)
    assert statistics([wide]).degree.tolist() == [[3, 2]]
    assert statistics([wide]).orbit[0, 0] == 2 / 5
    (narrow,) = stripped([wide[::-1, ::-1]])
    assert np.array_equal(narrow, pair)
    (single,) = stripped([np.zeros((4, 4))])
    assert single.shape == (1, 1)
