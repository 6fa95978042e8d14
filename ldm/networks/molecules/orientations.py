"""Grids of directions on the sphere, of unit vectors spread evenly."""

import math
from itertools import product

import torch
from jaxtyping import Float64
from torch import Tensor

__all__ = ["orientations"]

GOLDEN = (1 + math.sqrt(5)) / 2


def orientations(count: int) -> Float64[Tensor, "count 3"]:
    """Directions spread evenly over the sphere: the same ones whenever they are asked for.

    For 6, 12 and 20 they are the corners of the octahedron, the icosahedron and the dodecahedron,
    which the 24 or 60 rotations of that solid map to themselves; else a Fibonacci lattice, spread
    as evenly, but without a symmetry (Gonzalez, "Measurement of areas on a sphere using Fibonacci
    and latitude-longitude lattices", 2010).

    Raises:
        ValueError: there are none.

    Example:
        >>> orientations(6)[0]
        tensor([1., 0., 0.], dtype=torch.float64)
    """
    if count < 1:
        raise ValueError(f"a grid needs 1 direction or more, got {count}")
    corners = {6: _octahedron, 12: _icosahedron, 20: _dodecahedron}.get(count)
    points = _fibonacci(count) if corners is None else corners()
    return torch.tensor([[c / math.hypot(*p) for c in p] for p in points], dtype=torch.float64)


def _octahedron() -> list[tuple[float, ...]]:
    return _turned([(sign, 0.0, 0.0) for sign in (1.0, -1.0)])


def _icosahedron() -> list[tuple[float, ...]]:
    return _turned([(0.0, a, b * GOLDEN) for a, b in product((1.0, -1.0), repeat=2)])


def _dodecahedron() -> list[tuple[float, ...]]:
    signs = (1.0, -1.0)
    rectangles = [(0.0, a / GOLDEN, b * GOLDEN) for a, b in product(signs, repeat=2)]
    return [*product(signs, repeat=3), *_turned(rectangles)]


def _turned(points: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """The points, with their coordinates also shifted by one axis and by two."""
    return [(*p[-k:], *p[:-k]) if k else p for k in range(3) for p in points]


def _fibonacci(count: int) -> list[tuple[float, ...]]:
    found = []
    for k in range(count):
        z, angle = 1 - (2 * k + 1) / count, 2 * math.pi * k / GOLDEN
        radius = math.sqrt(1 - z * z)
        found.append((radius * math.cos(angle), radius * math.sin(angle), z))
    return found
