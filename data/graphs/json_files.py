"""Lists of graphs in JSON: written for users, and read back."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.files.errors import DataError
from data.graphs.packed import Graph

__all__ = ["as_json", "read_json"]


def read_json(path: Path) -> list[Graph]:
    """Read a list of `{"nodes": n, "edges": [[i, j], ...]}`; node classes are all 0.

    Other entries of a graph are ignored.

    Args:
        path: of the file, gzipped if its name ends in `.gz`.

    Raises:
        DataError: the file is damaged or something else; the message counts to the graph.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            graphs = json.load(file)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path} is not a sound JSON file ({error}): fetch it again") from error
    if not isinstance(graphs, list) or not graphs:
        raise DataError(f"{path} should hold a list of graphs: fetch the original file")
    return [_graph(f"{path}, graph {number}", graph) for number, graph in enumerate(graphs)]


def _graph(place: str, graph: Any) -> Graph:
    try:
        n, ends = graph["nodes"], np.array(graph["edges"]).reshape(-1, 2)
    except (KeyError, TypeError, ValueError):
        n, ends = 0, np.empty((0, 2))
    whole = isinstance(n, int) and (not len(ends) or ends.dtype.kind == "i")
    if not (
        whole and n > 0 and ((ends >= 0) & (ends < n)).all() and (ends[:, 0] != ends[:, 1]).all()
    ):
        raise DataError(
            f'{place} should be {{"nodes": n, "edges": [[i, j], ...]}} with i and j different and '
            f"from 0 to n - 1: mend or remove it"
        )
    ends = np.unique(np.sort(ends.astype(np.int64), axis=1), axis=0)
    return Graph(np.zeros(n, np.uint8), ends, np.ones(len(ends), np.uint8))


def as_json(graphs: Sequence[Graph], names: Sequence[str] | None = None) -> str:
    """Write graphs as `read_json` reads them.

    Args:
        graphs: the graphs.
        names: names of the node classes, written as `kinds`, beside the `orders` of the edges;
            None to write neither.
    """
    found = []
    for graph in graphs:
        entry: dict[str, Any] = {"nodes": len(graph.kinds), "edges": graph.ends.tolist()}
        if names is not None:
            entry["kinds"] = [names[kind] for kind in graph.kinds]
            entry["orders"] = graph.orders.tolist()
        found.append(entry)
    return json.dumps(found)
