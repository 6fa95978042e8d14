"""Pairs of neighbourhoods, counted by hand, and laws of the kernel."""

import numpy as np
import pytest

from eval.metrics.graphs import nspdk_discrepancy, nspdk_features


def molecule(labels: list[int], bonds: list[tuple[int, int, int]]) -> tuple:
    edges = np.zeros((len(labels), len(labels)), int)
    for i, j, order in bonds:
        edges[i, j] = edges[j, i] = order
    return np.array(labels), edges


ETHANOL = molecule([6, 6, 8], [(0, 1, 1), (1, 2, 1)])
ETHER = molecule([6, 8, 6], [(0, 1, 1), (1, 2, 1)])
ETHANAL = molecule([6, 6, 8], [(0, 1, 1), (1, 2, 2)])


def test_features_of_radius_zero_are_counts_of_pairs_of_labels():
    # Distance 0: C, C, O; distance 1: C-C, C-O. Each block has unit length, two blocks, so the
    # parts are (2, 1) / sqrt(5) and (1, 1) / sqrt(2), each over sqrt(2).
    def without_neighbourhoods(graph):
        features = nspdk_features([graph], 1).toarray()[0]
        return sorted(features)

    # With radius 1 there are two blocks more, of all-different neighbourhoods: three and two.
    expected = [2 / 5**0.5, 1 / 5**0.5, *[1 / 2**0.5] * 2, *[1 / 3**0.5] * 3, *[1 / 2**0.5] * 2]
    assert without_neighbourhoods(ETHANOL) == pytest.approx(sorted(x / 2 for x in expected))


def test_rows_have_unit_length():
    features = nspdk_features([ETHANOL, ETHER, ETHANAL])
    assert (features**2).sum(1) == pytest.approx(1)


def test_the_order_of_nodes_does_not_matter_and_all_else_does():
    labels, edges = ETHANOL
    order = [2, 0, 1]
    turned = labels[order], edges[np.ix_(order, order)]
    assert nspdk_discrepancy([ETHANOL, ETHER], [ETHER, turned]) == pytest.approx(0, abs=1e-15)
    assert nspdk_discrepancy([ETHANOL], [ETHER]) > 0.1
    assert nspdk_discrepancy([ETHANOL], [ETHANAL]) > 0.1


def test_rings_are_told_from_two_smaller_ones():
    ring = molecule([6] * 6, [(k, (k + 1) % 6, 1) for k in range(6)])
    two = molecule(
        [6] * 6, [(a, b, 1) for a, b in [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5)]]
    )
    assert nspdk_discrepancy([ring], [two]) > 0.1
