"""Pickles of networkx graphs are read, and nothing in them is run."""

import io
import os
import pickle
import pickletools
import sys
import types

import networkx
import numpy as np
import pytest

from data.files.errors import DataError
from data.graphs.pickles import read_pickle


def example() -> list[networkx.Graph]:
    """Graphs with every kind of node that the published files have."""
    numbered = networkx.Graph()
    numbered.add_edges_from([(np.int64(7), np.int64(3)), (3, 9), (3, 3)])
    numbered.add_node(9, label=np.int64(2), weight=np.float32(0.5))
    numbered.graph["label"] = 1
    list(numbered.nodes), list(numbered.edges), numbered.degree  # kept as views in the graph
    return [numbered, networkx.grid_2d_graph(2, 3)]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_graphs_of_every_protocol_are_read_as_networkx_would(tmp_path, protocol):
    path = tmp_path / "graphs.pkl"
    path.write_bytes(pickle.dumps(example(), protocol))
    first, grid = read_pickle(path)
    assert (len(first.kinds), first.ends.tolist()) == (3, [[0, 1], [1, 2]])
    relabelled = networkx.convert_node_labels_to_integers(networkx.grid_2d_graph(2, 3))
    assert sorted(map(tuple, grid.ends.tolist())) == sorted(
        map(tuple, map(sorted, relabelled.edges))
    )


def test_graphs_of_networkx_1_are_read(tmp_path, monkeypatch):
    module = types.ModuleType("networkx.classes.graph")

    class Graph:
        """Its instances keep `node`, `adj` and `edge`, without underscores."""

    Graph.__module__, Graph.__qualname__ = module.__name__, "Graph"
    module.Graph = Graph
    monkeypatch.setitem(sys.modules, module.__name__, module)
    old = Graph()
    adj = {"a": {"b": {}}, "b": {"a": {}}}
    old.__dict__ = {"node": {"a": {}, "b": {}}, "adj": adj, "edge": adj, "graph": {}}
    path = tmp_path / "graphs.pkl"
    path.write_bytes(pickle.dumps([old], 2))
    (graph,) = read_pickle(path)
    assert (len(graph.kinds), graph.ends.tolist()) == (2, [[0, 1]])


class Runs:
    """Pickles to a call that makes a folder."""

    def __init__(self, call, *arguments) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_call_in_a_pickle_is_refused_by_its_name_and_not_made(tmp_path, protocol):
    path, made = tmp_path / "graphs.pkl", tmp_path / "made"
    path.write_bytes(pickle.dumps([*example(), Runs(os.mkdir, str(made))], protocol))
    with pytest.raises(DataError, match=r"names posix.mkdir.*nothing in it was run"):
        read_pickle(path)
    assert not made.exists()


@pytest.mark.parametrize("call", [eval, getattr, np.load, networkx.read_gml, type, memoryview])
def test_no_other_function_can_be_named(tmp_path, call):
    path = tmp_path / "graphs.pkl"
    path.write_bytes(pickle.dumps([Runs(call, "x")], 2))
    with pytest.raises(DataError, match="no part of such data"):
        read_pickle(path)


def test_a_stand_in_cannot_be_changed(tmp_path):
    # BUILD sets attributes; here on what stands for numpy's function.
    program = b"\x80\x02cnumpy.core.multiarray\nscalar\n}U\x04coolK\x01sb."
    assert any(code.name == "BUILD" for code, *_ in pickletools.genops(io.BytesIO(program)))
    path = tmp_path / "graphs.pkl"
    path.write_bytes(program)
    with pytest.raises(DataError, match="nothing in it was run"):
        read_pickle(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        pickle.dumps([]),
        pickle.dumps({"graphs": 1}),
        pickle.dumps([1, 2]),
        pickle.dumps([networkx.Graph()]),
        pickle.dumps([networkx.DiGraph([(0, 1)])]),
        pickle.dumps(example())[:-40],
    ],
)
def test_what_is_no_list_of_graphs_is_refused(tmp_path, content):
    path = tmp_path / "graphs.pkl"
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a pickled list of networkx graphs"):
        read_pickle(path)
