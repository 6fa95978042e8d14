"""Small graphs that tests share."""

import numpy as np
import pytest

from data.graphs.packed import Graph


@pytest.fixture
def graphs() -> list[Graph]:
    """A coloured path of three nodes with a double bond, and a triangle."""
    path = Graph(
        np.array([0, 1, 0], np.uint8), np.array([[0, 1], [1, 2]]), np.array([1, 2], np.uint8)
    )
    triangle = Graph(
        np.zeros(3, np.uint8), np.array([[0, 1], [0, 2], [1, 2]]), np.ones(3, np.uint8)
    )
    return [path, triangle]
