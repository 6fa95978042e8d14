"""What all drawings share: panels of data, of samples over faint data, and of a density."""

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
SHADES = "YlOrBr"  # of densities: dark on white, and for the colour-blind too
SHOWN = 2000  # of each set, where there are more: as many of data as of samples
BELOW = 3  # nats under the uniform law, where the scale of densities begins


class Density(NamedTuple):
    """The logarithm of a density on a picture's cells, nats."""

    log: Float[Tensor, "rows columns"]

    reach: tuple[float, float]
    """The cells part `[-x, x]` and `[-y, y]` evenly."""

    uniform: float
    """What the uniform law's is everywhere."""


def compare(
    draw: Callable[[Any, Array, dict], None],
    data: Tensor,
    samples: Tensor | None,
    prepare: Callable[[Any], None],
    density: Density | None = None,
    size: tuple[float, float] = (4, 4),
    projection: str | None = None,
) -> Picture:
    """One panel of data, one of samples over faint data, and one of a density.

    Args:
        draw: puts points on axes in a style.
        data: those of the first panel.
        samples: those of the second; None for no such panel.
        prepare: gives axes their limits and lines, before anything is drawn on them.
        density: of the third, which is as high as the others together.
        size: of a panel, inches.
        projection: of all axes.
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
                size = min(max(1200 / len(points), 3), 12)  # few points are to be seen too
                draw(axes, _coordinates(points), {"s": size, "color": color, "linewidths": 0})
        if density is not None:
            reach = zip(density.reach, reversed(density.log.shape), strict=True)
            edges = (np.linspace(-end, end, cells + 1) for end, cells in reach)
            axes = places["density"]
            cells = axes.pcolormesh(*edges, density.log.double().cpu().numpy(), zorder=0)
            shade(figure, axes, [cells], density.uniform - BELOW, density.uniform)

    return render(fill, (size[0] * len(layout[0]), size[1] * len(layout)))


def shade(figure: Any, axes: Any, cells: Sequence[Any], low: float, uniform: float) -> None:
    """Colour log densities, nats, on one scale, which is drawn below them.

    Args:
        figure: of the axes.
        axes: below which the scale is drawn: one, or a list.
        cells: what matplotlib's `pcolormesh` returned for the log densities, of one panel or more.
        low: where the scale begins.
        uniform: log density of the uniform law, a line on the scale.
    """
    high = max([low + 1, uniform, *(part.get_array().max() for part in cells)])
    for part in cells:
        part.set(cmap=SHADES, clim=(low, high))
    given = {"location": "bottom", "shrink": 0.6, "aspect": 50, "extend": "min"}
    bar = figure.colorbar(cells[0], ax=axes, **given)
    bar.set_label("log density, nats (line: the uniform law)", fontsize=9)
    bar.ax.axvline(uniform, color="black", linewidth=1)


def _title(points: Tensor, kind: str) -> str:
    """What a panel shows, and of how many points."""
    return f"{min(len(points), SHOWN):,} {kind}"


def _coordinates(x: Tensor) -> Array:
    """Those of the points that are shown."""
    return x.detach().double().cpu()[:SHOWN].numpy()


def render(draw: Callable[[Any], None], size: tuple[float, float]) -> Picture:
    """The picture of a figure that `draw` fills; `size` in inches, of 120 pixels each."""
    # Without pyplot: its figures are global state, and its backend the user's choice.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=120, layout="constrained")
    draw(figure)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = torch.from_numpy(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    return pixels.permute(2, 0, 1).float().div(255)
