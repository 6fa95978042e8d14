"""Graphs in JSON."""

import gzip
import json

import pytest

from data.files.errors import DataError
from data.graphs.json_files import as_json, read_json


def test_what_is_written_is_read_back(tmp_path, graphs):
    path = tmp_path / "graphs.json"
    path.write_text(as_json(graphs, names=["C", "N"]))
    assert json.loads(path.read_text())[0] == {
        "nodes": 3, "edges": [[0, 1], [1, 2]], "kinds": ["C", "N", "C"], "orders": [1, 2],
    }  # fmt: skip
    assert [graph.ends.tolist() for graph in read_json(path)] == [g.ends.tolist() for g in graphs]


def test_an_edge_counts_once_however_often_it_is_written(tmp_path):
    path = tmp_path / "graphs.json.gz"
    with gzip.open(path, "wt") as file:
        file.write('[{"nodes": 3, "edges": [[2, 0], [0, 2], [0, 1]], "label": [1, 1, 1]}]')
    assert read_json(path)[0].ends.tolist() == [[0, 1], [0, 2]]


@pytest.mark.parametrize(
    "graph",
    [
        {"nodes": 0, "edges": []},
        {"nodes": 2, "edges": [[0, 2]]},
        {"nodes": 2, "edges": [[-1, 0]]},
        {"nodes": 2, "edges": [[1, 1]]},
        {"nodes": 2, "edges": [[0.5, 1]]},
        {"nodes": 2, "edges": [[0, 1, 1]]},
        {"nodes": "2", "edges": [[0, 1]]},
        {"edges": [[0, 1]]},
        [1],
    ],
)
def test_a_wrong_graph_is_refused_by_its_number(tmp_path, graph):
    path = tmp_path / "graphs.json"
    path.write_text(json.dumps([{"nodes": 2, "edges": [[0, 1]]}, graph]))
    with pytest.raises(DataError, match="graph 1 should be"):
        read_json(path)


@pytest.mark.parametrize("text", ["", "{", "{}", "[]"])
def test_a_file_that_holds_no_list_is_refused(tmp_path, text):
    path = tmp_path / "graphs.json"
    path.write_text(text)
    with pytest.raises(DataError, match="fetch"):
        read_json(path)
