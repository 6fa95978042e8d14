"""Points of spaces that have no natural map: the Poincaré disk, and main directions."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from data.drawing.panels import Array, Picture, compare, disk

__all__ = ["poincare_disk", "principal_plane"]


def poincare_disk(
    data: Float[Tensor, "n 3"], samples: Float[Tensor, "m 3"] | None = None
) -> Picture:
    """Points of the hyperboloid, its time coordinate first, in the Poincaré disk."""

    def draw(axes: Any, points: Array, style: dict) -> None:
        axes.scatter(*(points[:, 1:] / (1 + points[:, :1])).T, **style)

    return compare(draw, data, samples, disk(1))


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

    return compare(draw, data, samples, prepare)
