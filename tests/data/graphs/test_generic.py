"""The published sets of plain graphs."""

import pickle

import networkx
import numpy as np
import pytest
import torch

from data import CommunitySmall, DataError, EgoSmall, Enzymes, Grid
from data.graphs.dense import adjacency, split


@pytest.mark.parametrize(
    ("kind", "shape", "train", "test", "nodes"),
    [
        (CommunitySmall, (20, 29), 80, 20, (12, 20)),
        (EgoSmall, (18, 34), 160, 40, (4, 17)),
        (Enzymes, (125, 134), 470, 117, (10, 125)),
        (Grid, (361, 365), 80, 20, (110, 361)),
    ],
)
def test_real_sets_have_their_published_sizes(shared_data, kind, shape, train, test, nodes):
    data = kind(root=str(shared_data))
    data.setup()
    assert data.shape == shape
    assert (len(data.train_dataset), len(data.test_dataset)) == (train, test)
    sizes = torch.cat([data.train_dataset.sizes, data.test_dataset.sizes])
    assert (sizes.min(), sizes.max()) == nodes
    batch = next(iter(data.ordered_batches("test", 20)))
    degrees = adjacency(batch).sum(2, dtype=torch.int64)
    assert torch.equal(split(batch["x"])[0].argmax(2)[batch["mask"]], degrees[batch["mask"]] - 1)


def test_pickles_are_preferred_and_give_the_graphs_of_networkx(tmp_path):
    made = [networkx.gnp_random_graph(14, 0.4, seed=seed) for seed in range(100)]
    made = [
        graph if min(dict(graph.degree).values()) else networkx.cycle_graph(14) for graph in made
    ]
    (tmp_path / "graphs").mkdir()
    (tmp_path / "graphs" / "community_small.json").write_text("[]")
    (tmp_path / "graphs" / "community_small.pkl").write_bytes(pickle.dumps(made, 2))
    data = CommunitySmall(root=str(tmp_path))
    data.kinds = tuple(map(str, range(1, 14)))
    batch = next(iter(data.ordered_batches("test", 20)))
    for edges, graph in zip(adjacency(batch), made, strict=False):
        assert np.array_equal(edges[:14, :14], networkx.to_numpy_array(graph))


def test_missing_files_and_files_of_other_sets_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"copy data/ego_small\.pkl of the GitHub repository"):
        EgoSmall(root=str(tmp_path)).setup()
    (tmp_path / "ego_small.json").write_text('[{"nodes": 2, "edges": [[0, 1]]}]')
    with pytest.raises(DataError, match="should hold 200 graphs, got 1"):
        EgoSmall(root=str(tmp_path)).setup()
    lonely = '{"nodes": 3, "edges": [[0, 1]]}'
    (tmp_path / "ego_small.json").write_text(f"[{', '.join([lonely] * 200)}]")
    with pytest.raises(DataError, match="without an edge"):
        EgoSmall(root=str(tmp_path)).setup()


def test_degrees_that_no_class_stands_for_are_refused(tmp_path):
    star = f'{{"nodes": 258, "edges": {[[0, leaf] for leaf in range(1, 258)]}}}'
    (tmp_path / "ego_small.json").write_text(f"[{', '.join([star] * 200)}]")
    with pytest.raises(DataError, match="got 258 nodes and class 255"):
        EgoSmall(root=str(tmp_path)).setup()
