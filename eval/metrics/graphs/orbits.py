"""Counts of the 15 orbits of graphlets of up to four nodes, exactly, by matrix products.

An orbit is a kind of place in an induced connected subgraph (Przulj, "Biological network comparison
using graphlet degree distribution", 2007). Subgraphs that need not be induced are counted first,
each from degrees, paths and triangles; what denser subgraphs contribute is then subtracted, as in
Hocevar and Demsar, "A combinatorial approach to graphlet counting" (ORCA), 2014.
"""

import numpy as np
from jaxtyping import Int64, Shaped

__all__ = ["orbit_counts"]


def orbit_counts(graph: Shaped[np.ndarray, "n n"]) -> Int64[np.ndarray, "n 15"]:
    """Count how often each node is in each orbit, numbered as by Przulj.

    0: end of an edge; 1, 2: end and middle of a path of three; 3: of a triangle; 4, 5: end and
    middle of a path of four; 6, 7: leaf and centre of a star; 8: of a square; 9, 10, 11: the tail,
    the nodes of degree 2 and that of degree 3 of a triangle with a tail; 12, 13: the nodes of
    degree 2 and of degree 3 of a square with a diagonal; 14: of a clique of four.

    Args:
        graph: symmetric adjacency matrix; what is not zero is an edge. The diagonal is ignored.

    Example: a path of three nodes.
        >>> orbit_counts(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]))[:, :4].tolist()
        [[1, 1, 0, 0], [2, 0, 1, 0], [1, 1, 0, 0]]
    """
    edges = (graph != 0) & ~np.eye(len(graph), dtype=bool)
    # Sums of products of real numbers are exact up to 2^53, and fast.
    o = induced(contained(edges.astype(np.float64)))
    return np.stack(o, 1).round().astype(np.int64)


def contained(a: np.ndarray) -> list[np.ndarray]:
    """Count subgraphs that need not be induced, by orbit."""
    degree = a.sum(1)
    two = a @ a
    common = two * a  # triangles on each edge
    triangles = common.sum(1) / 2
    opposite = two - np.diag(degree)  # paths of three between different nodes
    ends = a @ (degree - 1)  # paths of three that start at a node
    return [
        degree,
        ends,
        choose2(degree),
        triangles,
        a @ ends - degree * (degree - 1) - 2 * triangles,
        (degree - 1) * ends - 2 * triangles,
        a @ choose2(degree - 1),
        degree * (degree - 1) * (degree - 2) / 6,
        choose2(opposite).sum(1),
        a @ triangles - 2 * triangles,
        common @ (degree - 2),
        triangles * (degree - 2),
        ((a @ common) * a).sum(1) / 2 - triangles,
        choose2(common).sum(1),
        cliques(a),
    ]


def induced(n: list[np.ndarray]) -> list[np.ndarray]:
    """Subtract from each count what denser subgraphs contribute to it."""
    o = list(n)
    o[13] = n[13] - 3 * o[14]
    o[12] = n[12] - 3 * o[14]
    o[11] = n[11] - 2 * o[13] - 3 * o[14]
    o[10] = n[10] - 2 * o[12] - 2 * o[13] - 6 * o[14]
    o[9] = n[9] - 2 * o[12] - 3 * o[14]
    o[8] = n[8] - o[12] - o[13] - 3 * o[14]
    o[7] = n[7] - o[11] - o[13] - o[14]
    o[6] = n[6] - o[9] - o[10] - 2 * o[12] - o[13] - 3 * o[14]
    o[5] = n[5] - 2 * o[8] - o[10] - 2 * o[11] - 2 * o[12] - 4 * o[13] - 6 * o[14]
    o[4] = n[4] - 2 * o[8] - 2 * o[9] - o[10] - 4 * o[12] - 2 * o[13] - 6 * o[14]
    o[2] = n[2] - o[3]
    o[1] = n[1] - 2 * o[3]
    return o


def cliques(a: np.ndarray) -> np.ndarray:
    """Count cliques of four nodes that each node is in."""
    first, second = np.triu(a).nonzero()
    both = a[first] * a[second]  # the common neighbours of each edge
    found = ((both @ a) * both).sum(1) / 2
    total = np.zeros(len(a))
    np.add.at(total, first, found)
    np.add.at(total, second, found)
    return total / 3  # each clique of a node is found on three of its edges


def choose2(n: np.ndarray) -> np.ndarray:
    """Count pairs of `n` things."""
    return n * (n - 1) / 2
