"""Drawings of points on triangle meshes, seen from one side."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from data.drawing.panels import Array, Picture, compare

__all__ = ["surface"]


def surface(
    vertices: Float[Tensor, "v 3"],
    faces: Tensor,
    values: Float[Tensor, " f"],
    data: Float[Tensor, "n 3"],
    samples: Float[Tensor, "m 3"] | None = None,
    eye: tuple[float, float, float] = (0, 0, 1),
    up: tuple[float, float, float] = (0, 1, 0),
) -> Picture:
    """Draw a triangle mesh, its faces shaded by values, and the points not hidden by a face.

    Args:
        vertices: vertices of the mesh.
        faces: three vertex indices per face, `(f, 3)`.
        values: one value per face; larger ones are darker.
        data: points on the mesh.
        samples: points on the mesh.
        eye: direction from the mesh to the viewer.
        up: direction that points up in the image.
    """
    from matplotlib.collections import PolyCollection

    toward = np.asarray(eye, float) / np.linalg.norm(eye)
    right = np.cross(up, toward) / np.linalg.norm(np.cross(up, toward))
    frame = np.stack([right, np.cross(toward, right), toward], axis=1)
    corners = vertices.double().cpu().numpy()[faces.cpu().numpy()] @ frame
    order = corners[:, :, 2].mean(1).argsort()  # paint the nearest faces last

    def draw(axes: Any, points: Array, style: dict) -> None:
        seen = points @ frame
        axes.scatter(*seen[~_hidden(seen, corners), :2].T, **style)

    def prepare(axes: Any) -> None:
        shades = values.cpu().numpy()[order]
        shade = PolyCollection(corners[order, :, :2], array=shades, cmap="Greys", edgecolor="face")
        top = float(shades.max())
        shade.set_clim(-0.4 * top, 2 * top)  # keeps the surface visible where the value is zero
        axes.add_collection(shade)
        axes.autoscale_view()
        axes.autoscale(False)  # do not zoom out for stray points
        axes.set(aspect="equal")
        axes.set_axis_off()

    return compare(draw, data, samples, prepare)


def _hidden(points: Float[Array, "n 3"], corners: Float[Array, "f 3 3"]) -> Bool[Array, " n"]:
    """Find points that lie behind a face, where the third axis points to the viewer."""
    first, second, third = corners.transpose(1, 2, 0)
    (ux, uy, uz), (vx, vy, vz) = second - first, third - first
    area = ux * vy - uy * vx
    area = np.where(area == 0, np.nan, area)  # faces seen edge-on hide nothing
    nearer = 1e-3 * np.ptp(corners)  # tolerance for rounding
    found = []
    for x, y, z in points:
        x, y = x - first[0], y - first[1]
        u, v = (x * vy - y * vx) / area, (ux * y - uy * x) / area
        covers = (u >= 0) & (v >= 0) & (u + v <= 1)
        found.append((covers & (first[2] + u * uz + v * vz > z + nearer)).any())
    return np.array(found, bool)
