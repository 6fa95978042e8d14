"""Random graphs with the sizes and densities of given ones: what every model should surpass."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Shaped

__all__ = ["erdos_renyi"]


def erdos_renyi(
    graphs: Sequence[Shaped[np.ndarray, "_ _"]], n: int, seed: int
) -> list[Bool[np.ndarray, "_ _"]]:
    """Draw Erdos-Renyi graphs, each with the size and the density of one of the given graphs.

    Args:
        graphs: adjacency matrices to take size and density from, chosen at random.
        n: number of graphs to draw.
        seed: of the choices and of the edges.
    """
    source, found = np.random.default_rng(seed), []
    for number in source.integers(len(graphs), size=n):
        upper = np.triu_indices(len(graphs[number]), 1)
        density = (graphs[number][upper] != 0).mean() if len(upper[0]) else 0.0
        drawn = np.zeros(graphs[number].shape, bool)
        drawn[upper] = source.random(len(upper[0])) < density
        found.append(drawn | drawn.T)
    return found
