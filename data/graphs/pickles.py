"""Pickled lists of networkx graphs, read without running anything that the file names.

A file that names anything but what graphs are made of is refused. So the published files of
networkx 1 and 2 are read whatever version is installed, or none.
"""

import collections
import pickle
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data.files.errors import DataError
from data.files.inert import Inert, Reader
from data.graphs.packed import Graph

__all__ = ["read_pickle"]

NUMBER = re.compile(r"[<>=|]?[biuf][1248]")  # type codes of numpy's whole and real numbers
LARGEST = 1 << 30  # bytes; the published files have less than three million


class NumpyType(Inert):
    """A stand-in for `numpy.dtype`, of one number."""

    def __init__(self, code: object = "", *_: object) -> None:
        if not (isinstance(code, str) and NUMBER.fullmatch(code)):
            raise pickle.UnpicklingError(f"numbers of type {code!r}")
        self.code, self.order = code.lstrip("<>=|"), "<"

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] == ">":
            self.order = ">"


class NumpyNumber(Inert):
    """A stand-in for the function that makes numpy's numbers; they become Python's."""

    def __new__(cls, kind: object, raw: object = b"") -> Any:
        if not isinstance(kind, NumpyType):
            raise pickle.UnpicklingError("a number without a type")
        raw = raw.encode("latin-1") if isinstance(raw, str) else raw  # Python 2 wrote texts
        return np.frombuffer(raw, np.dtype(kind.order + kind.code), 1)[0].item()


class Bytes(Inert):
    """A stand-in for `codecs.encode`, by which Python 3 writes bytes in old protocols."""

    def __new__(cls, text: object, encoding: object = "latin1") -> Any:
        if not isinstance(text, str) or encoding != "latin1":
            raise pickle.UnpicklingError("bytes in an unknown form")
        return text.encode("latin-1")


class Rebuilt(Inert):
    """A stand-in for the function by which the oldest protocols make objects."""

    def __new__(cls, kind: object, *_: object) -> Any:
        if not (isinstance(kind, type) and issubclass(kind, Inert)):
            raise pickle.UnpicklingError(f"an object of {kind!r}")
        return kind()


class NetworkxGraph(Inert):
    """A stand-in for `networkx.Graph`."""


KNOWN: dict[str, type] = {
    "networkx.classes.graph.Graph": NetworkxGraph,
    **dict.fromkeys(("copyreg._reconstructor", "copy_reg._reconstructor"), Rebuilt),
    **dict.fromkeys(("builtins.object", "__builtin__.object"), Inert),
    **dict.fromkeys(("builtins.dict", "__builtin__.dict"), dict),
    "collections.OrderedDict": collections.OrderedDict,
    "_codecs.encode": Bytes,
    "numpy.dtype": NumpyType,
    **{f"numpy.{core}.multiarray.scalar": NumpyNumber for core in ("core", "_core")},
    # Views of a graph, which it keeps beside its data once it was asked for them.
    **{f"networkx.classes.reportviews.{kind}View": Inert for kind in ("Node", "Edge", "Degree")},
    "networkx.classes.coreviews.AdjacencyView": Inert,
}
"""All that a pickle may name."""


class GraphReader(Reader):
    """An unpickler that knows what graphs are made of."""

    known = KNOWN


def read_pickle(path: Path) -> list[Graph]:
    """Read a pickled list of undirected networkx graphs; node classes are all 0.

    Nodes are numbered in the order of the graph; self-loops are left out.

    Raises:
        DataError: the file is not such a list, or names anything else; nothing in it was run.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise pickle.UnpicklingError(f"it is larger than {LARGEST >> 20} MiB")
        with path.open("rb") as file:
            graphs = GraphReader(file, encoding="latin-1").load()
        if not isinstance(graphs, list | tuple) or not graphs:
            raise pickle.UnpicklingError("it holds no list of graphs")
        return [_graph(graph) for graph in graphs]
    except Exception as error:  # a damaged pickle raises errors of every kind
        raise DataError(
            f"{path} is not a pickled list of networkx graphs ({error}): nothing in it was run; "
            f"fetch the published file"
        ) from error


def _graph(graph: object) -> Graph:
    if not isinstance(graph, NetworkxGraph) or not isinstance(graph.state, Mapping):
        raise pickle.UnpicklingError("an item is no networkx.Graph")
    neighbours = graph.state.get("_adj", graph.state.get("adj"))
    if not isinstance(neighbours, Mapping) or not neighbours:
        raise pickle.UnpicklingError("a graph has no nodes")
    place: dict[Hashable, int] = {node: number for number, node in enumerate(neighbours)}
    # Each edge stands in the lists of both of its nodes.
    pairs = {
        tuple(sorted((place[one], place[other])))
        for one, others in neighbours.items()
        for other in others
        if one != other
    }
    ends = np.array(sorted(pairs), np.int64).reshape(-1, 2)
    return Graph(np.zeros(len(place), np.uint8), ends, np.ones(len(ends), np.uint8))
