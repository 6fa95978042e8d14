"""Graphs of two communities, drawn without files."""

import networkx
import pytest
import torch

from data import Communities, DataError
from data.graphs.dense import discrete


def test_graphs_are_two_dense_halves_joined_by_one_edge():
    data = Communities(graphs=60)
    batch = next(iter(data.ordered_batches("train", 48)))
    inside = []
    for edges in discrete(batch).edges:
        graph = networkx.from_numpy_array(edges.numpy())
        half = len(graph) // 2
        assert 12 <= len(graph) <= 20
        assert networkx.is_connected(graph)
        assert len(list(networkx.edge_boundary(graph, range(half)))) == 1
        inside.append((graph.number_of_edges() - 1) / (half * (half - 1)))
    assert sum(inside) / len(inside) == pytest.approx(0.7, abs=0.03)


def test_graphs_depend_on_their_own_seed_alone():
    one, same, other = (
        Communities(graphs=10, data_seed=seed, seed=order).fingerprint
        for seed, order in ((0, 0), (0, 1), (1, 0))
    )
    assert one == same != other


def test_permuted_views_are_too_many_to_list():
    assert Communities(graphs=5).views == ("plain",)
    data = Communities(graphs=5, permute=True)
    assert data.views == ()
    first, second = (batch["x"] for batch in data.train_batches(0, 8, 0, 1, 4))
    assert not torch.equal(first, second)


def test_too_few_to_split_are_refused():
    with pytest.raises(DataError, match="5 graphs or more"):
        Communities(graphs=4)
