"""Packed graphs and their padded batches."""

import numpy as np
import torch

from data.graphs.dense import split
from data.graphs.packed import GraphDataset, PackedGraphs
from data.order import Draw


def test_a_batch_holds_classes_and_rows_of_the_adjacency_matrix(graphs):
    batch = GraphDataset(PackedGraphs.of(graphs), 4, 2, permute=False).__getitems__([1, 0])
    assert batch["index"].tolist() == [1, 0]
    assert batch["mask"].tolist() == [[True] * 3 + [False]] * 2
    nodes, edges = split(batch["x"])
    assert nodes[1].tolist() == [[1, 0], [0, 1], [1, 0], [0, 0]]
    assert edges[1].tolist() == [[0, 1, 0, 0], [1, 0, 2, 0], [0, 2, 0, 0], [0, 0, 0, 0]]
    assert edges[0, :3, :3].tolist() == (1 - np.eye(3)).tolist()


def test_only_draws_of_training_permute_nodes_and_they_permute_edges_alike(graphs):
    dataset = GraphDataset(PackedGraphs.of(graphs), 5, 2, permute=True)
    plain = dataset.__getitems__([0])["x"][0]
    orders = set()
    for seed in range(40):
        x = dataset.__getitems__([Draw(0, seed)])["x"][0]
        (middle,) = x[:, 1].nonzero().flatten().tolist()  # the one of class 1
        (end,) = (x[middle, 2:] == 2).nonzero().flatten().tolist()  # behind the double bond
        other = 3 - middle - end
        order = torch.tensor([other, middle, end, 3, 4])
        assert torch.equal(x[order][:, torch.cat([torch.arange(2), 2 + order])], plain)
        orders.add((other, middle, end))
    assert len(orders) == 6
    assert torch.equal(dataset.__getitems__([Draw(0, None)])["x"][0], plain)


def test_a_selection_keeps_whole_graphs(graphs):
    packed = PackedGraphs.of(graphs)
    kept = packed.select(np.array([False, True]))
    assert all(map(np.array_equal, kept, PackedGraphs.of(graphs[1:])))


def test_the_digest_knows_every_array_and_the_padding(graphs):
    packed = PackedGraphs.of(graphs)

    def digest(graphs, places=4):
        return GraphDataset(graphs, places, 2, permute=False).digest()

    assert digest(packed) == digest(PackedGraphs.of(graphs))
    changed = [packed._replace(orders=packed.orders[::-1]), packed._replace(kinds=1 - packed.kinds)]
    assert len({digest(packed), digest(packed, 5), *map(digest, changed)}) == 4
