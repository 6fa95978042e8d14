"""Angles: Ramachandran's plots, each pair of many, histograms of one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from data.drawing.panels import DATA, SAMPLES, Array, Picture, cells, compare, layers, render

__all__ = ["histogram", "torus"]


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

    return compare(draw, data, samples, prepare, cells(density, 180, 180))


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

    return render(draw, (6, 4))


def _pairs(data: Tensor, samples: Tensor | None, names: list[str], limits: tuple) -> Picture:
    """Every pair of coordinates in one triangle of plots, samples over data."""
    count = len(names) - 1

    def draw(figure: Any) -> None:
        for row in range(count):
            for column in range(row + 1):
                axes = figure.add_subplot(count, count, row * count + column + 1)
                for points, style in layers(data, samples, size=1):
                    axes.scatter(points[:, column], points[:, row + 1], **style)
                axes.set(xlim=limits, ylim=limits, xticks=[], yticks=[])
                if row == count - 1:
                    axes.set_xlabel(names[column])
                if column == 0:
                    axes.set_ylabel(names[row + 1])

    return render(draw, (1.3 * count + 0.6, 1.3 * count + 0.6))


def _degrees(angles: Tensor) -> Tensor:
    return torch.rad2deg(torch.atan2(angles.sin(), angles.cos()))
