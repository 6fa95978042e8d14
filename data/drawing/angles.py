"""Drawings of angles: Ramachandran plots of two, histograms of one."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from data.drawing.corners import corners
from data.drawing.panels import DATA, SAMPLES, Array, Density, Picture, compare, render

__all__ = ["histogram", "torus"]

HALF_TURN = (-180, 180)  # degrees


def torus(
    data: Float[Tensor, "n k"],
    samples: Float[Tensor, "m k"] | None = None,
    names: Sequence[str] | None = None,
    log_density: Float[Tensor, "rows columns"] | None = None,
) -> Picture:
    """Draw angles in radians: one as a histogram, two as a Ramachandran plot, more as pairs.

    Args:
        data: points, one angle per circle.
        samples: points with as many angles.
        names: names of the angles.
        log_density: log density of a model of two angles at `data.points.charts.torus_grid`, nats
            with respect to radians; drawn in a panel of its own.
    """
    names = list(names or (f"angle {i + 1}" for i in range(data.shape[1])))
    data, samples = _degrees(data), None if samples is None else _degrees(samples)
    if len(names) == 1:
        each = data[:, 0], None if samples is None else samples[:, 0]
        return histogram(*each, f"{names[0]}, degrees", HALF_TURN)
    if len(names) > 2:
        return corners(data, samples, names)

    def draw(axes: Any, points: Array, style: dict) -> None:
        axes.scatter(points[:, 0], points[:, 1], **style)

    def prepare(axes: Any) -> None:
        ticks = (-180, -90, 0, 90, 180)
        axes.set(xlim=HALF_TURN, ylim=HALF_TURN, aspect="equal", xticks=ticks, yticks=ticks)
        axes.set(xlabel=f"{names[0]}, degrees", ylabel=f"{names[1]}, degrees")

    density = None
    if log_density is not None:
        density = Density(log_density, (180, 180), -2 * math.log(2 * math.pi))
    return compare(draw, data, samples, prepare, density)


def histogram(
    data: Float[Tensor, " n"],
    samples: Float[Tensor, " m"] | None = None,
    name: str = "",
    limits: tuple[float, float] | None = None,
) -> Picture:
    """Draw histograms of one number: data as bars, samples as a line.

    Args:
        data: any number of values.
        samples: any number of values.
        name: name of the number, with its unit.
        limits: limits of the axis; by default the range of all values.
    """
    sets = [x.detach().double().cpu().numpy() for x in (data, samples) if x is not None]
    every = np.concatenate(sets)
    edges = np.histogram_bin_edges(every[np.isfinite(every)], bins=60, range=limits)

    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        fill, line = {"color": DATA, "alpha": 0.4}, {"histtype": "step", "color": SAMPLES}
        for numbers, kind, style in zip(sets, ("data", "samples"), (fill, line), strict=False):
            label = f"{len(numbers):,} {kind}"
            shown = numbers[np.isfinite(numbers)]
            axes.hist(shown, edges, density=len(shown) > 0, label=label, **style)
        axes.set(xlabel=name, ylabel="density", xlim=(edges[0], edges[-1]))
        axes.legend(frameon=False)

    return render(draw, (6, 4))


def _degrees(angles: Tensor) -> Tensor:
    return torch.rad2deg(torch.atan2(angles.sin(), angles.cos()))
