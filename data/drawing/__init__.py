"""Drawings of points on manifolds: data on the left, samples over faint data on the right.

Each function returns one RGB image in [0, 1]. Without samples only the data are drawn.
"""

from data.drawing.angles import histogram, torus
from data.drawing.globe import rotations, world_map
from data.drawing.mesh import surface
from data.drawing.panels import Picture
from data.drawing.plane import poincare_disk, principal_plane

__all__ = [
    "Picture",
    "histogram",
    "poincare_disk",
    "principal_plane",
    "rotations",
    "surface",
    "torus",
    "world_map",
]
