"""What all drawings share: panels of data, of samples over faint data, and of a density."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "DATA",
    "FAINT",
    "SAMPLES",
    "Array",
    "Picture",
    "cells",
    "compare",
    "disk",
    "layers",
    "render",
]

Picture = Float[Tensor, "3 height width"]
Array = np.ndarray

DATA, SAMPLES, FAINT = "#2f5d8a", "#c4472b", "#c8ced6"
SHOWN = 5000  # of each set: more would be one blot


def compare(
    draw: Callable[[Any, Array, dict], None],
    data: Tensor,
    samples: Tensor | None,
    prepare: Callable[[Any], None],
    grid: tuple[Array, Array, Array] | None = None,
    size: tuple[float, float] = (4, 4),
    projection: str | None = None,
) -> Picture:
    """One panel of data, and where they are there, one of samples over faint data and of a grid."""
    panels = [(f"{min(len(data), SHOWN):,} data", layers(data, None))]
    if samples is not None:
        panels.append((f"{min(len(samples), SHOWN):,} samples", layers(data, samples)))
    if grid is not None:
        panels.append(("density", []))

    def fill(figure: Any) -> None:
        for number, (title, sets) in enumerate(panels, start=1):
            axes = figure.add_subplot(1, len(panels), number, projection=projection)
            prepare(axes)
            for points, style in sets:
                draw(axes, points, style)
            if title == "density":
                top = np.quantile(grid[2], 0.995)  # the sharpest peaks would hide the rest
                axes.pcolormesh(*grid, cmap="Oranges", vmin=0, vmax=top)
            axes.set_title(title, fontsize=9)

    return render(fill, (size[0] * len(panels), size[1]))


def layers(data: Tensor, samples: Tensor | None, size: float = 3) -> list[tuple[Array, dict]]:
    """What is drawn over one another where there are samples, else the data."""
    if samples is None:
        return [(_points(data), _style(DATA, size))]
    return [(_points(data), _style(FAINT, size)), (_points(samples), _style(SAMPLES, size))]


def disk(radius: float) -> Callable[[Any], None]:
    """Prepares axes with a circle round the origin and nothing else."""

    def prepare(axes: Any) -> None:
        from matplotlib.patches import Circle

        axes.add_patch(Circle((0, 0), radius, fill=False, linewidth=0.6))
        reach = 1.03 * radius
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        axes.set_axis_off()

    return prepare


def cells(
    density: Float[Tensor, "rows columns"] | None, width: float, height: float
) -> tuple[Array, Array, Array] | None:
    """Edges of cells that share `[-width, width] x [-height, height]`, and what colours them.

    That is the root of the density, which shows more of low ones.
    """
    if density is None:
        return None
    rows, columns = density.shape
    edges = np.linspace(-width, width, columns + 1), np.linspace(-height, height, rows + 1)
    return *edges, density.double().cpu().sqrt().numpy()


def _style(color: str, size: float) -> dict:
    return {"s": size, "color": color, "linewidths": 0}


def _points(x: Tensor) -> Array:
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
