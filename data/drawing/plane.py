"""Planar drawings of points: the Poincaré disk and the plane of principal components."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from data.drawing.panels import Array, Picture, compare

__all__ = ["poincare_disk", "principal_plane"]


def poincare_disk(
    data: Float[Tensor, "n 3"], samples: Float[Tensor, "m 3"] | None = None
) -> Picture:
    """Draw points of the hyperboloid, time coordinate first, in the Poincaré disk.

    Circles are at hyperbolic distances 1, 2 and 3 from the centre.
    """

    def draw(axes: Any, points: Array, style: dict) -> None:
        axes.scatter(*(points[:, 1:] / (1 + points[:, :1])).T, **style)

    def prepare(axes: Any) -> None:
        from matplotlib.patches import Circle

        for length in (1, 2, 3, math.inf):
            radius, width = math.tanh(length / 2), 0.6 if length == math.inf else 0.2
            axes.add_patch(Circle((0, 0), radius, fill=False, linewidth=width))
            if length < math.inf:
                axes.annotate(length, (0, -radius), color="gray", fontsize=6, ha="center", va="top")
        axes.set(xlim=(-1.03, 1.03), ylim=(-1.03, 1.03), aspect="equal")
        axes.set_axis_off()

    return compare(draw, data, samples, prepare)


def principal_plane(
    data: Float[Tensor, "n d"], samples: Float[Tensor, "m d"] | None = None
) -> Picture:
    """Draw vectors of any dimension, projected on the first two principal components of the data.

    Axis labels state each component's fraction of the data's variance.
    """
    data = data.double().cpu()
    centre = data.mean(0)
    variances, directions = torch.linalg.eigh((data - centre).T @ (data - centre))
    shares = (variances / variances.sum())[-2:].flip(0)
    plane = directions[:, -2:].flip(1)
    data, samples = (
        None if x is None else (x.double().cpu() - centre) @ plane for x in (data, samples)
    )
    every = data if samples is None else torch.cat([data, samples])
    every = every[every.isfinite().all(1)]
    margin = 0.04 * (every.amax(0) - every.amin(0)).max()
    limits = torch.stack([every.amin(0) - margin, every.amax(0) + margin], dim=1).tolist()

    def draw(axes: Any, points: Array, style: dict) -> None:
        axes.scatter(*points.T, **style)

    def prepare(axes: Any) -> None:
        axes.set(aspect="equal", xlim=limits[0], ylim=limits[1])
        axes.set_xlabel(f"first component, {shares[0]:.0%} of the variance")
        axes.set_ylabel(f"second component, {shares[1]:.0%}")

    return compare(draw, data, samples, prepare)
