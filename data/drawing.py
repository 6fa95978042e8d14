"""Drawings of points on manifolds: data on the left, samples over faint data on the right.

Each function returns one colour picture in [0, 1]. Without samples the data are drawn alone.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "Picture",
    "histogram",
    "poincare_disk",
    "principal_plane",
    "rotations",
    "sphere",
    "surface",
    "torus",
    "world_map",
]

Picture = Float[Tensor, "3 height width"]
Array = np.ndarray

DATA, SAMPLES, FAINT = "#2f5d8a", "#c4472b", "#c8ced6"
SHOWN = 5000  # of each set: more would be one blot


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
    return _compare(draw, data, samples, _graticule, _cells(density, math.pi, math.pi / 2), **given)


def _cells(
    density: Float[Tensor, "rows columns"] | None, width: float, height: float
) -> tuple[Array, Array, Array] | None:
    """Edges of cells that share `[-width, width] x [-height, height]`, and what colours them.

    That is the root of the density: a sharp peak then hides nothing else.
    """
    if density is None:
        return None
    rows, columns = density.shape
    edges = np.linspace(-width, width, columns + 1), np.linspace(-height, height, rows + 1)
    return *edges, density.double().cpu().sqrt().numpy()


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

    return _compare(draw, data, samples, _disk(1))


def torus(
    data: Float[Tensor, "n k"],
    samples: Float[Tensor, "m k"] | None = None,
    names: Sequence[str] | None = None,
    density: Float[Tensor, "rows columns"] | None = None,
) -> Picture:
    """Angles in radians: a plot of two (Ramachandran's), each pair of up to seven, or a histogram.

    Args:
        data: one angle a circle; with more than seven, the first are drawn.
        samples: of as many angles.
        names: of the angles.
        density: of a model at the points of `data.charts.torus_grid`, drawn on its own.
    """
    names = list(names or (f"angle {i}" for i in range(data.shape[1])))[:7]
    data, samples = _degrees(data), None if samples is None else _degrees(samples)
    if len(names) == 1:
        return histogram(data[:, 0], None if samples is None else samples[:, 0], names[0])
    if len(names) > 2:
        return _pairs(data, samples, names, (-180, 180))

    def draw(axes: Any, points: Array, style: dict) -> None:
        axes.scatter(points[:, 0], points[:, 1], **style)

    def prepare(axes: Any) -> None:
        ticks = (-180, -90, 0, 90, 180)
        axes.set(xlim=(-180, 180), ylim=(-180, 180), aspect="equal", xticks=ticks, yticks=ticks)
        axes.set(xlabel=f"{names[0]}, degrees", ylabel=f"{names[1]}, degrees")

    return _compare(draw, data, samples, prepare, _cells(density, 180, 180))


def _degrees(angles: Tensor) -> Tensor:
    return torch.rad2deg(torch.atan2(angles.sin(), angles.cos()))


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

    return _compare(draw, data, samples, _graticule, size=(6, 3.2), projection="mollweide")


def _graticule(axes: Any) -> None:
    """Meridians and parallels, under the points."""
    axes.grid(linewidth=0.3)
    axes.set_axisbelow(True)
    axes.set_xticklabels([])
    axes.set_yticklabels([])


def poincare_disk(
    data: Float[Tensor, "n 3"], samples: Float[Tensor, "m 3"] | None = None
) -> Picture:
    """Points of the hyperboloid, its time coordinate first, in the Poincaré disk."""

    def draw(axes: Any, points: Array, style: dict) -> None:
        axes.scatter(*(points[:, 1:] / (1 + points[:, :1])).T, **style)

    return _compare(draw, data, samples, _disk(1))


def principal_plane(
    data: Float[Tensor, "n d"], samples: Float[Tensor, "m d"] | None = None
) -> Picture:
    """Vectors of any length, projected on the two main directions of the data."""
    data = data.double().cpu()
    centre = data.mean(0)
    plane = torch.linalg.eigh((data - centre).T @ (data - centre)).eigenvectors[:, -2:].flip(1)

    def draw(axes: Any, points: Array, style: dict) -> None:
        axes.scatter(*((points - centre.numpy()) @ plane.numpy()).T, **style)

    def prepare(axes: Any) -> None:
        axes.set(aspect="equal", xlabel="first direction", ylabel="second direction")

    return _compare(draw, data, samples, prepare)


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

    return _compare(draw, data, samples, prepare)


def histogram(
    data: Float[Tensor, " n"], samples: Float[Tensor, " m"] | None = None, name: str = ""
) -> Picture:
    """The densities of one number, that of samples as a line over that of data."""
    edges = np.histogram_bin_edges(data.cpu().numpy(), bins=60)

    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        axes.hist(data.cpu().numpy(), edges, density=True, color=DATA, alpha=0.5, label="data")
        if samples is not None:
            line = {"histtype": "step", "color": SAMPLES, "label": "samples"}
            axes.hist(samples.cpu().numpy(), edges, density=True, **line)
        axes.set(xlabel=name, ylabel="density")
        axes.legend()

    return _render(draw, (6, 4))


def _pairs(data: Tensor, samples: Tensor | None, names: list[str], limits: tuple) -> Picture:
    """Every pair of coordinates in one triangle of plots, samples over data."""
    count = len(names) - 1

    def draw(figure: Any) -> None:
        for row in range(count):
            for column in range(row + 1):
                axes = figure.add_subplot(count, count, row * count + column + 1)
                for points, style in _layers(data, samples, size=1):
                    axes.scatter(points[:, column], points[:, row + 1], **style)
                axes.set(xlim=limits, ylim=limits, xticks=[], yticks=[])
                if row == count - 1:
                    axes.set_xlabel(names[column])
                if column == 0:
                    axes.set_ylabel(names[row + 1])

    return _render(draw, (1.3 * count + 0.6, 1.3 * count + 0.6))


def _disk(radius: float) -> Callable[[Any], None]:
    """Prepares axes with a circle round the origin and nothing else."""

    def prepare(axes: Any) -> None:
        from matplotlib.patches import Circle

        axes.add_patch(Circle((0, 0), radius, fill=False, linewidth=0.6))
        reach = 1.03 * radius
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        axes.set_axis_off()

    return prepare


def _layers(data: Tensor, samples: Tensor | None, size: float = 3) -> list[tuple[Array, dict]]:
    """What is drawn over one another where there are samples, else the data."""
    if samples is None:
        return [(_points(data), _style(DATA, size))]
    return [(_points(data), _style(FAINT, size)), (_points(samples), _style(SAMPLES, size))]


def _style(color: str, size: float) -> dict:
    return {"s": size, "color": color, "linewidths": 0}


def _points(x: Tensor) -> Array:
    return x.detach().double().cpu()[:SHOWN].numpy()


def _compare(
    draw: Callable[[Any, Array, dict], None],
    data: Tensor,
    samples: Tensor | None,
    prepare: Callable[[Any], None],
    cells: tuple[Array, Array, Array] | None = None,
    size: tuple[float, float] = (4, 4),
    projection: str | None = None,
) -> Picture:
    """One panel of data, and where they are there, one of samples over faint data and of cells."""
    panels = [(f"{min(len(data), SHOWN):,} data", _layers(data, None))]
    if samples is not None:
        panels.append((f"{min(len(samples), SHOWN):,} samples", _layers(data, samples)))
    if cells is not None:
        panels.append(("density", []))

    def fill(figure: Any) -> None:
        for number, (title, layers) in enumerate(panels, start=1):
            axes = figure.add_subplot(1, len(panels), number, projection=projection)
            prepare(axes)
            for points, style in layers:
                draw(axes, points, style)
            if title == "density":
                axes.pcolormesh(*cells, cmap="Oranges", vmin=0)
            axes.set_title(title, fontsize=9)

    return _render(fill, (size[0] * len(panels), size[1]))


def _render(draw: Callable[[Any], None], size: tuple[float, float]) -> Picture:
    # Without pyplot: its figures are global state, and its backend the user's choice.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=120, layout="constrained")
    draw(figure)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = torch.from_numpy(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    return pixels.permute(2, 0, 1).float().div(255)
