"""Corner plots of many angles: histograms of each pair, and of each angle on the diagonal."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from data.drawing.panels import DATA, FAINT, SAMPLES, Array, Picture, render, shade

__all__ = ["corners"]

MOST = 7  # largest number of angles that are drawn
EDGES = np.linspace(-180, 180, 37)  # edges of bins, degrees
TICKS = np.array([-90, 0, 90])
APART = 400  # degrees from one plot to the next, as all plots share one pair of axes


def corners(
    data: Float[Tensor, "n k"], samples: Float[Tensor, "m k"] | None, names: Sequence[str]
) -> Picture:
    """Draw corner plots of data on the left and of samples on the right, on one colour scale.

    Args:
        data: degrees in [-180, 180], one angle per circle; only the first seven are drawn.
        samples: degrees as well; None for data alone.
        names: names of the angles.
    """
    sets = [x.detach().double().cpu().numpy() for x in (data, samples) if x is not None]
    some = f", {MOST} of {len(names)} angles" if len(names) > MOST else ""
    names = names[:MOST]
    cell = math.radians(EDGES[1] - EDGES[0]) ** 2
    # The density of one point in a bin, for the larger set, is the lowest positive density.
    low, uniform = -math.log(max(map(len, sets)) * cell), -2 * math.log(2 * math.pi)

    def fill(figure: Any) -> None:
        sides = list(figure.subplots(1, len(sets), squeeze=False)[0])
        cells = []
        for axes, points, kind in zip(sides, sets, ("data", "samples"), strict=False):
            _prepare(axes, names)
            axes.set_title(f"{len(points):,} {kind}{some}", fontsize=9)
            cells += _pairs(axes, points[:, : len(names)], cell)
        for number in range(len(names)):
            _each(sides, [points[:, number] for points in sets], number)
        shade(figure, sides, cells, low, uniform)

    side = 1.1 * len(names) + 0.6
    return render(fill, (side * len(sets), side + 0.7))


def _prepare(axes: Any, names: Sequence[str]) -> None:
    """Label two sides with degrees and names."""
    start = APART * np.arange(len(names))[:, None]
    for axis, places, form in (
        (axes.xaxis, start + TICKS, "{0}\n{1}, degrees"),
        (axes.yaxis, TICKS - start, "{1}, degrees\n{0}"),
    ):
        labels = [form.format(t, name) if t == 0 else t for name in names for t in TICKS]
        axis.set_ticks(places.ravel(), labels, fontsize=6)
    axes.yaxis.set_tick_params(labelrotation=90)
    for label in axes.get_yticklabels():
        label.set(va="center", ma="center")
    end = APART * len(names) - 200
    axes.set(xlim=(-200, end), ylim=(-end, 200), aspect="equal")
    axes.spines[:].set_visible(False)


def _pairs(axes: Any, points: Float[Array, "n k"], cell: float) -> list[Any]:
    """Draw log densities of pairs below the diagonal; cells without points stay white."""
    cells = []
    for row in range(points.shape[1]):
        for column in range(row):
            counts = np.histogram2d(points[:, row], points[:, column], EDGES)[0]
            with np.errstate(divide="ignore"):
                log = np.log(counts / (len(points) * cell))
            cells.append(axes.pcolormesh(EDGES + APART * column, EDGES - APART * row, log))
            _frame(axes, row, column)
    return cells


def _each(sides: Sequence[Any], sets: list[Float[Array, " n"]], number: int) -> None:
    """Draw the histogram of one angle on the diagonals, samples over faint data."""
    heights = [np.histogram(angles, EDGES)[0] / len(angles) for angles in sets]
    foot = -APART * number - 180
    scale = 340 / max(height.max() for height in heights)
    steps = [foot + scale * height for height in heights]
    for axes, layers in zip(sides, ([(0, DATA)], [(0, FAINT), (1, SAMPLES)]), strict=False):
        for which, color in layers:
            given = {"baseline": foot, "fill": color != SAMPLES, "color": color}
            axes.stairs(steps[which], EDGES + APART * number, **given)
        _frame(axes, number, number)


def _frame(axes: Any, row: int, column: int) -> None:
    from matplotlib.patches import Rectangle

    corner = APART * column - 180, -APART * row - 180
    axes.add_patch(Rectangle(corner, 360, 360, fill=False, linewidth=0.5))
