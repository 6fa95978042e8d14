"""World maps of points on the sphere and of rotations."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from data.drawing.panels import FAINT, Array, Density, Picture, compare

__all__ = ["rotations", "world_map"]

HUES = ("#0072b2", "#009e73", "#e69f00", "#cc79a7")  # Okabe and Ito's colour-blind safe colours
MAP = {"size": (6, 3.2), "projection": "mollweide"}
# Longitude and latitude in degrees, lines apart by a row of nan: the land of Natural Earth's
# 1:110m countries (public domain), without small islands, simplified to 0.4 degrees.
COASTLINES = Path(__file__).parent / "coastlines.csv"


def world_map(
    data: Float[Tensor, "n 3"],
    samples: Float[Tensor, "m 3"] | None = None,
    log_density: Float[Tensor, "rows columns"] | None = None,
    coastlines: bool = False,
) -> Picture:
    """Draw Mollweide (equal-area) maps of points on the unit sphere.

    Args:
        data: points; x points to (0, 0), y to 90 degrees east, z to the north pole.
        samples: points for a second map.
        log_density: log density of a model at `data.points.charts.sphere_grid`, nats with respect
            to area; drawn on a map of its own.
        coastlines: True to draw those of the Earth.
    """
    prepare = partial(_graticule, coastlines=coastlines)

    def draw(axes: Any, points: Array, style: dict) -> None:
        longitude = np.arctan2(points[:, 1], points[:, 0])
        axes.scatter(longitude, np.arcsin(points[:, 2].clip(-1, 1)), **style)

    density = None
    if log_density is not None:
        density = Density(log_density, (math.pi, math.pi / 2), -math.log(4 * math.pi))
    return compare(draw, data, samples, prepare, density, **MAP)


def rotations(
    data: Float[Tensor, "n 3 3"], samples: Float[Tensor, "m 3 3"] | None = None
) -> Picture:
    """Draw rotation matrices: the image of the z axis on a map, the turn about it as a hue.

    The turn is relative to the shortest rotation from the z axis to its image.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    circle = LinearSegmentedColormap.from_list("circle", [*HUES, HUES[0]])
    turns = ScalarMappable(Normalize(-180, 180), circle)

    def draw(axes: Any, points: Array, style: dict) -> None:
        image = points[:, :, 2]
        longitude = np.arctan2(image[:, 1], image[:, 0])
        # ZYZ Euler angles: longitude, colatitude, spin; the shortest rotation spins by -longitude.
        turn = np.arctan2(points[:, 2, 1], -points[:, 2, 0]) + longitude
        if style["color"] != FAINT:
            turn = np.degrees(np.arctan2(np.sin(turn), np.cos(turn)))
            style = {**style, "color": turns.to_rgba(turn)}
        axes.scatter(longitude, np.arcsin(image[:, 2].clip(-1, 1)), **style)

    def prepare(axes: Any) -> None:
        _graticule(axes)
        given = {"location": "bottom", "shrink": 0.6, "aspect": 50, "ticks": range(-180, 181, 90)}
        axes.figure.colorbar(turns, ax=axes, **given).set_label("turn, degrees", fontsize=9)

    return compare(draw, data, samples, prepare, **{**MAP, "size": (6, 4)})


def _graticule(axes: Any, coastlines: bool = False) -> None:
    """Draw meridians and parallels under the points, labelled in degrees; coastlines above."""
    if coastlines:
        lines = np.radians(np.loadtxt(COASTLINES, delimiter=",", skiprows=1))
        axes.plot(*lines.T, color="black", linewidth=0.4, zorder=3)
    axes.set_longitude_grid(60)
    axes.set_longitude_grid_ends(90)
    axes.set_latitude_grid(30)
    axes.grid(linewidth=0.3)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=6, labelcolor="gray")
