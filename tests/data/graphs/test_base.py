"""Data sets of graphs: splits, sizes on request, pictures and files."""

import json

import networkx
import numpy as np
import pytest
import torch

from data import Communities, DataError
from data.graphs.base import Graphs
from data.graphs.packed import PackedGraphs


class Molecules(Graphs):
    """Five times the two small graphs."""

    name, places, kinds, orders = "molecules", 4, ("C", "N"), 3

    def __init__(self, graphs) -> None:
        super().__init__()
        self.given = graphs

    def read(self):
        return PackedGraphs.of(self.given * 5)


def test_the_first_fifth_is_held_out(graphs):
    data = Molecules(graphs)
    data.setup()
    assert (len(data.train_dataset), len(data.test_dataset)) == (8, 2)


def test_sizes_on_request_are_those_of_training_or_the_one_asked_for():
    data = Communities(graphs=50)
    batch = data.requests(range(2000), seed=1)
    drawn, trained = (
        np.bincount(x, minlength=21) for x in (batch["mask"].sum(1), data.train_dataset.sizes)
    )
    np.testing.assert_allclose(drawn / 2000, trained / 40, atol=0.04)
    again = data.requests([5, 1999], seed=1)["mask"]
    assert torch.equal(again, batch["mask"][[5, 1999]])
    assert not torch.equal(data.requests(range(2000), seed=2)["mask"], batch["mask"])
    assert data.requests([0, 1], seed=0, nodes=7)["mask"].sum(1).tolist() == [7, 7]


@pytest.mark.parametrize(
    "asked", [{"nodes": 21}, {"nodes": 0}, {"nodes": 1.5}, {"label": 1}, {"atoms": 3}]
)
def test_what_cannot_be_asked_for_is_refused(asked):
    with pytest.raises(DataError):
        Communities(graphs=5).requests([0], seed=0, **asked)


def test_compact_samples_are_bytes_with_the_same_graphs(graphs):
    data = Molecules(graphs)
    batch = next(iter(data.ordered_batches("train", 8)))
    soft = {**batch, "x": batch["x"] * 0.8 + 0.1}
    compact = data.compact(soft)["x"]
    assert compact.dtype == torch.uint8
    assert torch.equal(compact.float(), batch["x"])


def test_samples_are_saved_as_graphml_and_json(graphs, tmp_path):
    data = Molecules(graphs)
    batch = next(iter(data.ordered_batches("test", 2)))
    data.save(tmp_path / "samples", batch)
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == [
        "000000.graphml", "000001.graphml", "graphs.json",
    ]  # fmt: skip
    read = networkx.read_graphml(tmp_path / "samples" / "000000.graphml", node_type=int)
    assert dict(read.nodes(data="kind")) == {0: "C", 1: "N", 2: "C"}
    assert sorted(read.edges(data="order")) == [(0, 1, 1), (1, 2, 2)]
    assert json.loads((tmp_path / "samples" / "graphs.json").read_text())[0]["orders"] == [1, 2]


def test_a_picture_holds_all_graphs_and_is_always_the_same(graphs):
    data = Molecules(graphs)
    batch = next(iter(data.ordered_batches("train", 6)))
    empty = {**batch, "x": torch.zeros_like(batch["x"])}
    picture = data.show(batch, columns=3)
    assert picture.shape[0] == 3
    assert picture.shape[2] > picture.shape[1]
    assert torch.equal(picture, data.show(batch, columns=3))
    assert not torch.equal(picture, data.show(empty, columns=3))


def test_graphs_too_large_for_the_padding_are_refused(graphs, monkeypatch):
    monkeypatch.setattr(Molecules, "places", 2)
    with pytest.raises(DataError, match="at most 2 nodes of 2 classes, got 3"):
        Molecules(graphs).setup()
