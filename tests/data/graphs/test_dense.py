"""Batches of graphs, reduced to graphs."""

import torch

from data.graphs.dense import adjacency, discrete, occupied


def test_soft_edges_are_averaged_rounded_and_masked():
    edges = torch.tensor([[9.0, 0.9, 2.6, 1.0], [0.3, 0, 0, 1], [2.9, 0, 0, 1], [1, 1, 1, 1]])
    batch = {
        "x": torch.cat([torch.zeros(4, 1), edges], 1)[None],
        "mask": occupied(torch.tensor([3]), 4),
    }
    expected = [[0, 1, 3, 0], [1, 0, 0, 0], [3, 0, 0, 0], [0, 0, 0, 0]]
    assert adjacency(batch)[0].tolist() == expected
    batch["x"][..., 1:] = -edges
    assert not adjacency(batch).any()


def test_graphs_of_a_batch_have_no_padding():
    nodes = torch.tensor([[0.2, 0.8], [0.9, 0.1], [0.0, 0.0]])
    edges = torch.ones(3, 3)
    batch = {"x": torch.cat([nodes, edges], 1)[None], "mask": occupied(torch.tensor([2]), 3)}
    found = discrete(batch)
    assert found.nodes[0].tolist() == [1, 0]
    assert found.edges[0].tolist() == [[0, 1], [1, 0]]
