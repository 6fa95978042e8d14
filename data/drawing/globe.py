"""Points and directions of space on maps: the earth, the sphere as a ball, rotations."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from data.drawing.panels import FAINT, Array, Picture, cells, compare, disk

__all__ = ["rotations", "sphere", "world_map"]


def world_map(
    data: Float[Tensor, "n 3"],
    samples: Float[Tensor, "m 3"] | None = None,
    density: Float[Tensor, "rows columns"] | None = None,
) -> Picture:
    """Mollweide maps of points on the unit sphere, which keep areas.

    Args:
        data: x leaves at (0, 0), y at 90 degrees east, z at the north pole.
        samples: drawn on a second map.
        density: of a model at the points of `data.charts.sphere_grid`, drawn on a map of its own.
    """

    def draw(axes: Any, points: Array, style: dict) -> None:
        longitude = np.arctan2(points[:, 1], points[:, 0])
        axes.scatter(longitude, np.arcsin(points[:, 2].clip(-1, 1)), **style)

    given = {"size": (6, 3.2), "projection": "mollweide"}
    return compare(draw, data, samples, _graticule, cells(density, math.pi, math.pi / 2), **given)


def sphere(data: Float[Tensor, "n 3"], samples: Float[Tensor, "m 3"] | None = None) -> Picture:
    """The unit sphere as it is seen from (1, 1, 1), what is on the far side fainter."""
    eye = np.array([1, 1, 1]) / math.sqrt(3)
    right = np.array([-1, 1, 0]) / math.sqrt(2)
    frame = np.stack([right, np.cross(eye, right), eye], axis=1)

    def draw(axes: Any, points: Array, style: dict) -> None:
        seen = points @ frame
        near = seen[:, 2] > 0
        axes.scatter(*seen[~near, :2].T, **{**style, "alpha": 0.15})
        axes.scatter(*seen[near, :2].T, **style)

    return compare(draw, data, samples, disk(1))


def rotations(
    data: Float[Tensor, "n 3 3"], samples: Float[Tensor, "m 3 3"] | None = None
) -> Picture:
    """Rotation matrices: where each sends the z axis, on a map; the turn about it as a hue.

    The turn is measured against the shortest rotation of the z axis to its image.
    """

    def draw(axes: Any, points: Array, style: dict) -> None:
        image = points[:, :, 2]
        longitude = np.arctan2(image[:, 1], image[:, 0])
        # ZYZ Euler angles: longitude, colatitude, spin; the shortest rotation spins by -longitude.
        turn = np.arctan2(points[:, 2, 1], -points[:, 2, 0]) + longitude
        hue = turn % (2 * math.pi)
        if style["color"] != FAINT:
            style = {
                **style,
                "color": None,
                "c": hue,
                "cmap": "hsv",
                "vmin": 0,
                "vmax": 2 * math.pi,
            }
        axes.scatter(longitude, np.arcsin(image[:, 2].clip(-1, 1)), **style)

    return compare(draw, data, samples, _graticule, size=(6, 3.2), projection="mollweide")


def _graticule(axes: Any) -> None:
    """Meridians and parallels, under the points."""
    axes.grid(linewidth=0.3)
    axes.set_axisbelow(True)
    axes.set_xticklabels([])
    axes.set_yticklabels([])
