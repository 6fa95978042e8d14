"""Drawings of points on manifolds, of molecules: each function returns one RGB image in [0, 1].

Points are drawn with data on the left, samples over faint data on the right; without samples only
the data are drawn.
"""

from data.drawing.angles import histogram, torus
from data.drawing.globe import rotations, world_map
from data.drawing.mesh import surface
from data.drawing.molecules import draw_molecules
from data.drawing.panels import Picture
from data.drawing.plane import poincare_disk, principal_plane

__all__ = [
    "Picture",
    "draw_molecules",
    "histogram",
    "poincare_disk",
    "principal_plane",
    "rotations",
    "surface",
    "torus",
    "world_map",
]
