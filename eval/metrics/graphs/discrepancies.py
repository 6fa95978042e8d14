"""Squared maximum mean discrepancies of two sets of graphs, by statistics of their nodes.

Sources: You et al., "GraphRNN: Generating Realistic Graphs with Deep Auto-regressive Models", 2018;
with the kernels of Jo, Lee and Hwang (GDSS), 2022, or of Liao et al., "Efficient Graph Generation
with Graph Recurrent Attention Networks" (GRAN), 2019.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float64
from scipy.spatial.distance import cdist

from eval.metrics.graphs.statistics import GraphStatistics

__all__ = ["KERNELS", "graph_discrepancies"]

WIDTHS = {"degree": 1.0, "clustering": 0.1, "orbit": 30.0, "spectrum": 1.0}
BINS = {"degree": 1, "clustering": 100}  # bins to a unit of the values

KERNELS = {
    "emd": "exp(-d^2 / 2 s^2) of the earth mover's distance d between histograms of degrees and of "
    "clustering coefficients, of the Euclidean distance of mean orbit counts, of half the absolute "
    "difference between histograms of eigenvalues; s = 1, 0.1, 30, 1",
    "tv": "exp(-d^2 / 2 s^2) of half the absolute difference d between histograms of degrees, of "
    "clustering coefficients, of eigenvalues, and between mean orbit counts; s = 1, 0.1, 1, 30",
}
"""Meaning of each choice of kernels, for the protocol."""


def graph_discrepancies(
    generated: GraphStatistics, reference: GraphStatistics, kernel: Literal["emd", "tv"] = "emd"
) -> dict[str, float]:
    """Compute the squared discrepancy of each statistic, with the biased estimate.

    Every graph is compared with itself, too: the estimate is 0 for equal sets only, and above 0 for
    two samples of one distribution, the more so the smaller they are.

    Args:
        generated: statistics of the one set.
        reference: statistics of the other set.
        kernel: "emd" as in GDSS and GLAD, "tv" as in GRAN, SPECTRE and DiGress; see `KERNELS`.

    Returns:
        Values by the names of the statistics: degree, clustering, orbit and spectrum.

    Example: all nodes of degree 1 against all of degree 2.
        >>> from eval.metrics.graphs import statistics
        >>> pair, triangle = (statistics([1 - np.eye(n)]) for n in (2, 3))
        >>> round(graph_discrepancies(pair, triangle)["degree"], 4)  # 2 - 2 exp(-1 / 2)
        0.7869
    """
    found = {}
    for name, width in WIDTHS.items():
        x, y = getattr(generated, name), getattr(reference, name)
        if name != "orbit":
            x, y = (_normalized(rows, max(x.shape[1], y.shape[1])) for rows in (x, y))
        kernels = [_gram(a, b, name, width, kernel) for a, b in ((x, x), (y, y), (x, y))]
        within, other, between = (float(values.mean()) for values in kernels)
        found[name] = within + other - 2 * between
    return found


def _normalized(
    histograms: Float64[np.ndarray, "n bins"], width: int
) -> Float64[np.ndarray, "n width"]:
    total = histograms.sum(1, keepdims=True) + 1e-6  # as published
    return np.pad(histograms / total, ((0, 0), (0, width - histograms.shape[1])))


def _gram(
    x: Float64[np.ndarray, "n d"],
    y: Float64[np.ndarray, "m d"],
    name: str,
    width: float,
    kernel: str,
) -> Float64[np.ndarray, "n m"]:
    if kernel == "tv" or name == "spectrum":
        distance = cdist(x, y, "cityblock") / 2
    elif name == "orbit":
        distance = cdist(x, y)
    else:
        # On a line, the earth mover's distance is the area between the distribution functions.
        distance = cdist(x.cumsum(1), y.cumsum(1), "cityblock") / BINS[name]
    return np.exp(-(distance**2) / (2 * width**2))
