"""Squared maximum mean discrepancy of sets of labelled graphs by pairs of neighbourhoods.

Source: Costa and De Grave, "Fast neighborhood subgraph pairwise distance kernel" (NSPDK), 2010. The
published numbers of molecule generators are by the package EDeN, which codes neighbourhoods by
hashes of its own into 2^16 features; here codes are exact, so values differ slightly from its.
"""

from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Int, Int64
from scipy.sparse import csr_array

__all__ = ["nspdk_discrepancy", "nspdk_features"]

BLOCK = 56  # bits of the two codes of a pair; there are fewer than 2^28 codes

Labelled = tuple[Int[np.ndarray, " _"], Int[np.ndarray, "_ _"]]
"""A label of each node, and the symmetric matrix of edge labels, 0 for no edge."""


def nspdk_discrepancy(
    generated: Sequence[Labelled], reference: Sequence[Labelled], complexity: int = 4
) -> float:
    """Compute the squared discrepancy of two sets of graphs with the linear kernel of features.

    Args:
        generated: the one set.
        reference: the other set.
        complexity: as for `nspdk_features`.

    Example: single atoms of two elements have nothing in common.
        >>> carbon, oxygen = ((np.array([z]), np.zeros((1, 1), int)) for z in (6, 8))
        >>> round(nspdk_discrepancy([carbon], [oxygen]), 6)
        2.0
    """
    features = nspdk_features([*generated, *reference], complexity)
    one, other = features[: len(generated)].mean(0), features[len(generated) :].mean(0)
    return float(np.square(one - other).sum())


def nspdk_features(graphs: Sequence[Labelled], complexity: int = 4) -> csr_array:
    """Count pairs of equal neighbourhoods; rows of unit length, one a graph.

    A feature is a radius, a distance, and the codes of the two neighbourhoods of that radius whose
    centres are that far apart. The features of one radius and distance are scaled to unit length
    before all are.

    Args:
        graphs: with labels.
        complexity: the largest radius and the largest distance.
    """
    known: dict[Hashable, int] = {}
    found, values, starts = [np.empty(0, np.int64)], [np.empty(0)], [0]
    for labels, edges in graphs:
        distance = _distances(edges, complexity)
        codes = np.array(_codes(labels, edges, distance, complexity, known))
        features, counts = np.unique(_pairs(distance, codes), return_counts=True)
        block = features >> BLOCK
        norms = np.sqrt(np.bincount(block, counts**2))
        found.append(features)
        values.append(counts / norms[block] / np.sqrt((norms > 0).sum()))
        starts.append(starts[-1] + len(features))
    columns, places = np.unique(np.concatenate(found), return_inverse=True)
    shape = (len(graphs), len(columns))
    return csr_array((np.concatenate(values), places, starts), shape=shape)


def _pairs(
    distance: Int[np.ndarray, "n n"], codes: Int[np.ndarray, "n radii"]
) -> Int64[np.ndarray, " pairs"]:
    """Number each pair of nodes within reach at each radius by its distance and its two codes."""
    one, other = np.nonzero(np.triu(distance >= 0))
    radii = codes.shape[1]
    block = distance[one, other][:, None] * radii + np.arange(radii)
    ends = codes[one], codes[other]
    pairs = (block << BLOCK) | (np.minimum(*ends) << BLOCK // 2) | np.maximum(*ends)
    return pairs.ravel()


def _distances(edges: np.ndarray, largest: int) -> np.ndarray:
    """Count steps between nodes; -1 for those further apart than `largest`."""
    adjacent = edges != 0
    found = np.where(np.eye(len(edges), dtype=bool), 0, -1)
    reached = found == 0
    for steps in range(1, largest + 1):
        new = (reached @ adjacent) & (found < 0)
        found[new] = steps
        reached = new
    return found


def _codes(
    labels: np.ndarray,
    edges: np.ndarray,
    distance: np.ndarray,
    largest: int,
    known: dict[Hashable, int],
) -> list[list[int]]:
    """Code the neighbourhood of each radius of each node, whatever the order of the nodes.

    A code lists, by their distance from the centre, the labels of the nodes with the labels of
    their edges and of the nodes behind these.
    """
    neighbours = [np.flatnonzero(row).tolist() for row in edges]
    names, bonds = labels.tolist(), edges.tolist()
    found = []
    for steps in distance.tolist():
        shells: list[list] = [[] for _ in range(largest + 1)]
        for node, step in enumerate(steps):
            if step >= 0:
                inside = (other for other in neighbours[node] if 0 <= steps[other] <= step)
                around = sorted((steps[o], bonds[node][o], names[o]) for o in inside)
                shells[step].append((names[node], tuple(around)))
        parts = [tuple(sorted(shell)) for shell in shells]
        lists = (tuple(parts[: radius + 1]) for radius in range(largest + 1))
        found.append([known.setdefault(code, len(known)) for code in lists])
    return found
