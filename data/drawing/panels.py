"""Panels shared by all drawings: data, samples over faint data, and a density."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "DATA",
    "FAINT",
    "SAMPLES",
    "Array",
    "Density",
    "Picture",
    "compare",
    "render",
    "shade",
]

Picture = Float[Tensor, "3 height width"]
Array = np.ndarray

DATA, SAMPLES, FAINT = "#2f5d8a", "#c4472b", "#c8ced6"
SHADES = "YlOrBr"  # colour map of densities, colour-blind safe
SHOWN = 2000  # largest number of points drawn, the same for data and samples
BELOW = 3  # the scale of log densities begins this many nats below the uniform distribution


class Density(NamedTuple):
    """A log density on the cells of a panel, nats."""

    log: Float[Tensor, "rows columns"]

    reach: tuple[float, float]
    """Limits (x, y): the cells divide `[-x, x]` and `[-y, y]` evenly."""

    uniform: float
    """Log density of the uniform distribution."""


def compare(
    draw: Callable[[Any, Array, dict], None],
    data: Tensor,
    samples: Tensor | None,
    prepare: Callable[[Any], None],
    density: Density | None = None,
    size: tuple[float, float] = (4, 4),
    projection: str | None = None,
) -> Picture:
    """Draw one panel of data, one of samples over faint data, and one of a density.

    Args:
        draw: draws points on axes in a style.
        data: points of the first panel.
        samples: points of the second panel; None for no such panel.
        prepare: sets limits and grid lines of axes, before anything is drawn on them.
        density: density of the third panel, which is as high as the others together.
        size: size of a panel, inches.
        projection: projection of all axes.
    """
    panels = {_title(data, "data"): [(data, DATA)]}
    if samples is not None:
        panels[_title(samples, "samples")] = [(data, FAINT), (samples, SAMPLES)]
    layout = [list(panels)]
    if density is not None:
        layout = [[name] + ["density"] * len(panels) for name in panels]

    def fill(figure: Any) -> None:
        places = figure.subplot_mosaic(layout, subplot_kw={"projection": projection})
        for name, axes in places.items():
            prepare(axes)
            axes.set_title(name, fontsize=9)
            for points, color in panels.get(name, []):
                size = min(max(1200 / len(points), 3), 12)  # draw few points larger
                draw(axes, _coordinates(points), {"s": size, "color": color, "linewidths": 0})
        if density is not None:
            reach = zip(density.reach, reversed(density.log.shape), strict=True)
            edges = (np.linspace(-end, end, cells + 1) for end, cells in reach)
            axes = places["density"]
            cells = axes.pcolormesh(*edges, density.log.double().cpu().numpy(), zorder=0)
            shade(figure, axes, [cells], density.uniform - BELOW, density.uniform)

    return render(fill, (size[0] * len(layout[0]), size[1] * len(layout)))


def shade(figure: Any, axes: Any, cells: Sequence[Any], low: float, uniform: float) -> None:
    """Colour log densities, nats, on one scale, with a colour bar below the axes.

    Args:
        figure: figure of the axes.
        axes: axes, or list of axes, below which the colour bar is drawn.
        cells: results of matplotlib's `pcolormesh` for the log densities of one or more panels.
        low: lower end of the scale.
        uniform: log density of the uniform distribution, marked by a line.
    """
    high = max([low + 1, uniform, *(part.get_array().max() for part in cells)])
    for part in cells:
        part.set(cmap=SHADES, clim=(low, high))
    given = {"location": "bottom", "shrink": 0.6, "aspect": 50, "extend": "min"}
    bar = figure.colorbar(cells[0], ax=axes, **given)
    bar.set_label("log density, nats (line: uniform distribution)", fontsize=9)
    bar.ax.axvline(uniform, color="black", linewidth=1)


def _title(points: Tensor, kind: str) -> str:
    """Build the title of a panel: number and kind of points."""
    return f"{min(len(points), SHOWN):,} {kind}"


def _coordinates(x: Tensor) -> Array:
    """Convert the points that are drawn to a numpy array."""
    return x.detach().double().cpu()[:SHOWN].numpy()


def render(draw: Callable[[Any], None], size: tuple[float, float]) -> Picture:
    """Render a figure filled by `draw` to an image; `size` in inches of 120 pixels each."""
    # Do not use pyplot: its figures are global state, and its backend is the user's choice.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=120, layout="constrained")
    draw(figure)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = torch.from_numpy(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    return pixels.permute(2, 0, 1).float().div(255)
