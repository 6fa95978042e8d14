"""Points on triangle meshes, as they are seen from a side."""

from typing import Any

import numpy as np
from jaxtyping import Float
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
    """A triangle mesh, its faces coloured by a value, with the points that face the eye.

    Args:
        vertices: of the mesh.
        faces: three vertex numbers each `(f, 3)`, anticlockwise from outside.
        values: one a face, positive ones darker.
        data: points on the mesh.
        samples: points on the mesh.
        eye: direction from which it is seen.
        up: direction that points up in the picture.
    """
    from matplotlib.collections import PolyCollection
    from scipy.spatial import cKDTree

    toward = np.asarray(eye, float) / np.linalg.norm(eye)
    right = np.cross(up, toward) / np.linalg.norm(np.cross(up, toward))
    frame = np.stack([right, np.cross(toward, right), toward], axis=1)
    corners = vertices.double().cpu().numpy()[faces.cpu().numpy()] @ frame
    order = corners[:, :, 2].mean(1).argsort()  # the nearest are painted last
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    tree = cKDTree(corners.mean(1))

    def draw(axes: Any, points: Array, style: dict) -> None:
        seen = points @ frame
        visible = normals[tree.query(seen)[1], 2] > 0
        axes.scatter(*seen[visible, :2].T, **style)

    def prepare(axes: Any) -> None:
        shades = values.cpu().numpy()[order]
        shade = PolyCollection(corners[order, :, :2], array=shades, cmap="Greys", edgecolor="face")
        top = float(shades.max())
        shade.set_clim(-0.4 * top, 2 * top)  # so that the surface is seen where the value is zero
        axes.add_collection(shade)
        axes.autoscale_view()
        axes.set(aspect="equal")
        axes.set_axis_off()

    return compare(draw, data, samples, prepare)
