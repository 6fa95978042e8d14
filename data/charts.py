"""Surfaces on which densities are drawn: points of a grid, and what to draw of values on it."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from data.circles import angles_of, embed
from data.drawing import Picture, torus, world_map

__all__ = ["Chart", "sphere_chart", "sphere_grid", "torus_chart", "torus_grid"]


class Chart(NamedTuple):
    """How a density is drawn."""

    grid: Float[Tensor, "rows columns ..."]
    """Points at which it has to be known."""

    draw: Callable[[Tensor, Tensor, Float[Tensor, "rows columns"]], Picture]
    """From data, samples, and the density on the grid to one picture in [0, 1]."""


def sphere_chart() -> Chart:
    """A map of the world."""
    return Chart(sphere_grid(60, 120), world_map)


def torus_chart(embedding: str, names: Sequence[str] | None = None) -> Chart:
    """A plot of two angles (Ramachandran's), which points hold as `data.circles.embed` says."""

    def draw(data: Tensor, samples: Tensor, density: Tensor) -> Picture:
        return torus(*(angles_of(x, embedding) for x in (data, samples)), names, density)

    grid = torus_grid()
    return Chart(embed(grid.flatten(0, 1), embedding).unflatten(0, grid.shape[:2]), draw)


def sphere_grid(rows: int = 90, columns: int = 180) -> Float[Tensor, "rows columns 3"]:
    """Points of the unit sphere at the centres of a map's cells, from south west to north east."""
    latitude, longitude = _turn(rows)[:, None] / 2, _turn(columns)
    level = latitude.cos() * torch.ones(columns)
    xyz = (level * longitude.cos(), level * longitude.sin(), latitude.sin().expand_as(level))
    return torch.stack(xyz, dim=-1).float()


def torus_grid(rows: int = 90, columns: int = 90) -> Float[Tensor, "rows columns 2"]:
    """Two angles at the centres of a plot's cells, radians: the first grows along a row."""
    pairs = torch.meshgrid(_turn(columns), _turn(rows), indexing="xy")
    return torch.stack(pairs, dim=-1).float()


def _turn(cells: int) -> Float[Tensor, " cells"]:
    """The middles of as many equal parts of [-pi, pi]."""
    return (torch.arange(cells, dtype=torch.float64) + 0.5) * 2 * math.pi / cells - math.pi
