"""Drawings of graphs in a grid."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from data.drawing.panels import Picture, render
from data.graphs.packed import Graph

__all__ = ["draw_graphs"]

SIDE = 1.3  # inches of one drawing
FORCES = 60  # nodes; larger graphs are laid out by springs, which are faster than path lengths
COLORS = "tab10"  # of node classes


def draw_graphs(
    graphs: Sequence[Graph], names: Sequence[str], columns: int, labelled: bool = False
) -> Picture:
    """Draw graphs in a grid, laid out by networkx, always in the same way.

    Small graphs are laid out by path lengths (Kamada and Kawai, 1989), large ones by springs
    (Fruchterman and Reingold, 1991) from a fixed start. Edges are as wide as their order.

    Args:
        graphs: in the order of rows.
        names: names of the node classes.
        columns: number of graphs in a row.
        labelled: colour nodes by their class, with a legend of those that are there; else by their
            degree.
    """

    def fill(figure: Any) -> None:
        from matplotlib import colormaps
        from matplotlib.lines import Line2D

        rows = math.ceil(len(graphs) / columns)
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in panels:
            axes.set_axis_off()
        for axes, graph in zip(panels, graphs, strict=False):
            _draw(axes, graph, labelled)
        if labelled:
            present = sorted({kind for graph in graphs for kind in graph.kinds.tolist()})
            style = {"marker": "o", "linestyle": "", "markersize": 5}
            marks = [Line2D([], [], color=colormaps[COLORS](k % 10), **style) for k in present]
            figure.legend(
                marks,
                [names[kind] for kind in present],
                loc="outside lower center",
                ncols=len(marks),
                fontsize=7,
                frameon=False,
            )

    return render(fill, (SIDE * columns, SIDE * math.ceil(len(graphs) / columns) + 0.3 * labelled))


def _draw(axes: Any, graph: Graph, labelled: bool) -> None:
    import networkx
    from matplotlib.collections import LineCollection

    drawn = networkx.empty_graph(len(graph.kinds))
    drawn.add_edges_from(graph.ends.tolist())
    at = _layout(drawn)
    lines = LineCollection(
        at[graph.ends], colors="#9aa3ad", linewidths=0.7 * graph.orders, zorder=1
    )
    axes.add_collection(lines)
    degrees = np.bincount(graph.ends.ravel(), minlength=len(drawn))
    style = {"c": graph.kinds % 10, "cmap": COLORS, "vmin": 0, "vmax": 9}
    if not labelled:
        style = {"c": degrees, "cmap": "viridis", "vmin": 0, "vmax": max(degrees.max(), 1)}
    axes.scatter(*at.T, s=400 / (10 + len(drawn)), zorder=2, linewidths=0, **style)
    axes.set_aspect("equal")
    axes.margins(0.1)


def _layout(graph: Any) -> np.ndarray:
    """Lay out components side by side, the largest first, each as wide as it has nodes."""
    import networkx

    places, end = np.zeros((len(graph), 2)), 0.0
    for nodes in sorted(
        networkx.connected_components(graph), key=lambda one: (-len(one), min(one))
    ):
        part, width = graph.subgraph(sorted(nodes)), len(nodes) ** 0.5
        if len(part) <= FORCES:
            found = networkx.kamada_kawai_layout(part)
        else:
            found = networkx.spring_layout(part, pos=networkx.spectral_layout(part), seed=0)
        at = width * np.array([found[node] for node in part]) / 2
        places[list(part)] = at - [at[:, 0].min() - end, 0]
        end = places[list(part), 0].max() + 0.5
    return places
