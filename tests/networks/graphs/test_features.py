"""Features of graphs: known counts of cycles, components, spectra."""

import networkx
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from ldm.networks.graphs.features import cycles, graph_features

# Node counts of 3-, 4-, 5-cycles, and graph counts of 3- to 6-cycles. The clique's 5-cycles are
# those of the published formula, which is exact without triangles only.
KNOWN = {
    "triangle": (networkx.complete_graph(3), (1, 0, 0), (1, 0, 0, 0)),
    "square": (networkx.cycle_graph(4), (0, 1, 0), (0, 1, 0, 0)),
    "pentagon": (networkx.cycle_graph(5), (0, 0, 1), (0, 0, 1, 0)),
    "hexagon": (networkx.cycle_graph(6), (0, 0, 0), (0, 0, 0, 1)),
    "K33": (networkx.complete_bipartite_graph(3, 3), (0, 6, 0), (0, 9, 0, 6)),
    "Petersen": (networkx.petersen_graph(), (0, 0, 6), (0, 0, 12, 10)),
    "clique": (networkx.complete_graph(4), (3, 3, 6), (4, 3, 4.8, 0)),
}


def matrix(graph: networkx.Graph, places: int | None = None) -> torch.Tensor:
    a = networkx.to_numpy_array(graph)
    return torch.from_numpy(np.pad(a, (0, (places or len(a)) - len(a))))


@pytest.mark.parametrize("name", KNOWN)
def test_cycles_are_the_known_ones(name):
    graph, of_nodes, of_graph = KNOWN[name]
    nodes, whole = cycles(matrix(graph)[None])
    assert_close(nodes[0], torch.tensor(of_nodes, dtype=torch.float64).expand(len(graph), 3))
    assert_close(whole[0], torch.tensor(of_graph, dtype=torch.float64))


def test_components_and_eigenvalues_of_a_padded_graph():
    parts = networkx.disjoint_union(networkx.path_graph(4), networkx.complete_graph(2))
    mask = (torch.arange(9) < 6)[None]
    found = graph_features(matrix(parts, 9)[None].float(), mask)
    assert_close(found.graph[0, 0], torch.tensor(6 / 9))
    assert found.graph[0, 5] == 2
    values = np.linalg.eigvalsh(networkx.laplacian_matrix(parts).toarray())
    # Four of them are not zero; what follows is that of padding, 2 n_max over n.
    expected = [*values[2:] / 6, 2 * 9 / 6]
    assert_close(found.graph[0, 6:], torch.tensor(expected, dtype=torch.float32))
    assert found.nodes[0, :, 3].tolist() == [0, 0, 0, 0, 1, 1, 0, 0, 0]
    assert not found.nodes[0, 6:].any()


def test_missing_eigenvalues_are_two_and_missing_vectors_zero():
    pair = graph_features(matrix(networkx.complete_graph(2))[None], torch.ones(1, 2).bool())
    assert_close(pair.graph[0, 6:], torch.tensor([1.0, 2, 2, 2, 2], dtype=torch.float64))
    assert_close(pair.nodes[0, :, 4].abs(), torch.full((2,), 0.5**0.5, dtype=torch.float64))
    assert not pair.nodes[0, :, 5].any()


def test_eigenvectors_are_those_of_the_laplacian():
    graph = networkx.lollipop_graph(4, 3)
    found = graph_features(matrix(graph, 10)[None], (torch.arange(10) < 7)[None]).nodes[0, :7, 4:]
    laplacian = torch.from_numpy(networkx.laplacian_matrix(graph).toarray()).double()
    values = torch.linalg.eigvalsh(laplacian)[1:3]
    assert_close(laplacian @ found, found * values)


def test_features_follow_a_permutation_but_for_the_signs_of_eigenvectors():
    graph = networkx.gnp_random_graph(8, 0.4, seed=4)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    a, mask = matrix(graph)[None], torch.ones(1, 8).bool()
    one, other = graph_features(a, mask), graph_features(a[:, order][:, :, order], mask)
    assert_close(other.graph, one.graph)
    assert_close(other.nodes[..., :4], one.nodes[:, order, :4])
    assert_close(other.nodes[..., 4:].abs(), one.nodes[:, order, 4:].abs())


def test_scaled_features_are_of_a_size_of_one():
    a = matrix(networkx.complete_bipartite_graph(5, 4), 12)[None]
    mask = (torch.arange(12) < 9)[None]
    plain, scaled = graph_features(a, mask, vectors=4), graph_features(a, mask, 4, scaled=True)
    assert scaled.nodes.shape == (1, 12, 8)
    assert plain.nodes[..., 1].max() > 10
    assert_close(scaled.nodes[..., :3], (plain.nodes[..., :3] / 10).clamp(max=1))
    assert_close(scaled.graph[:, 1:5], (plain.graph[:, 1:5] / 10).clamp(max=1))
    assert_close(scaled.nodes[..., 4:], 3 * plain.nodes[..., 4:])
    assert_close(scaled.nodes[0, :9, 4:].square().mean(0), torch.ones(4, dtype=torch.float64))
