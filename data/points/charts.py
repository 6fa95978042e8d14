"""Surfaces on which densities are drawn: points of a grid, and what to draw of values on it."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from data.drawing import Picture, torus, world_map
from data.points.circles import angles_of, embed

__all__ = ["Chart", "sphere_chart", "sphere_grid", "torus_chart", "torus_grid"]

STRIDE = 9  # cells of the finest grid in a side of the coarsest's; a power of three


class Chart(NamedTuple):
    """How a density is drawn."""

    grid: Float[Tensor, "rows columns ..."]
    """Points at the middles of its cells, where a density can be drawn at its finest."""

    cell: Callable[[Float[Tensor, "n ..."]], Int64[Tensor, "n 2"]]
    """Row and column of the cells that points lie in."""

    draw: Callable[[Tensor, Tensor, Float[Tensor, "rows columns"]], Picture]
    """From data, samples, and the log density on the grid, nats, to one picture in [0, 1]."""

    def values(
        self,
        function: Callable[[Float[Tensor, "n ..."]], Float[Tensor, " n"]],
        near: Float[Tensor, "m ..."],
    ) -> Float[Tensor, "rows columns"]:
        """A costly function on the grid: finely near some points, interpolated between few others.

        It is found at every ninth cell of a row and a column, at every third where a point is in
        the square round that cell or in one beside it, and in each cell of a square of three by
        three that holds a point. So draws of a density show peaks that few cells in all would miss.

        Args:
            function: of points; asked for `rows columns / 81` values and up to 90 for each of
                `near`, most of which share them.
            near: points where it varies much.
        """
        every, cells = STRIDE, self.cell(near)
        few = self.grid[every // 2 :: every, every // 2 :: every]
        found = function(few.flatten(0, 1)).view(few.shape[:2])
        while every > 1:
            wanted = torch.zeros(found.shape)
            wanted[tuple((cells // every).T)] = 1
            if every == STRIDE:  # what is beside a peak must not be a slope up to it
                wanted = max_pool2d(wanted[None], 3, stride=1, padding=1)[0]
            every //= 3
            found, wanted = (
                interpolate(x[None, None], scale_factor=3, mode=mode)[0, 0]
                for x, mode in ((found, "bilinear"), (wanted, "nearest"))
            )
            grid = self.grid[every // 2 :: every, every // 2 :: every]
            found[wanted > 0] = function(grid[wanted > 0])
        return found


def sphere_chart() -> Chart:
    """A map of the world, in cells of half a degree."""
    grid = sphere_grid(360, 720)

    def cell(x: Float[Tensor, "n 3"]) -> Int64[Tensor, "n 2"]:
        latitude, longitude = x[:, 2].clamp(-1, 1).asin(), torch.atan2(x[:, 1], x[:, 0])
        return _cells(torch.stack([2 * latitude, longitude], dim=1), grid.shape[:2])

    return Chart(grid, cell, world_map)


def torus_chart(embedding: str, names: Sequence[str] | None = None) -> Chart:
    """A Ramachandran plot of two angles, held as `data.points.circles.embed` says."""
    grid = torus_grid(360, 360)

    def cell(x: Float[Tensor, "n coordinates"]) -> Int64[Tensor, "n 2"]:
        angles = angles_of(x, embedding).flip(1)  # the second one goes up
        return _cells(torch.atan2(angles.sin(), angles.cos()), grid.shape[:2])

    def draw(data: Tensor, samples: Tensor, log_density: Tensor) -> Picture:
        return torus(*(angles_of(x, embedding) for x in (data, samples)), names, log_density)

    points = embed(grid.flatten(0, 1), embedding).unflatten(0, grid.shape[:2])
    return Chart(points, cell, draw)


def sphere_grid(rows: int, columns: int) -> Float[Tensor, "rows columns 3"]:
    """Points of the unit sphere at the centres of a map's cells, from south west to north east."""
    latitude, longitude = _turn(rows)[:, None] / 2, _turn(columns)
    level = latitude.cos() * torch.ones(columns)
    xyz = (level * longitude.cos(), level * longitude.sin(), latitude.sin().expand_as(level))
    return torch.stack(xyz, dim=-1).float()


def torus_grid(rows: int, columns: int) -> Float[Tensor, "rows columns 2"]:
    """Two angles at the centres of a plot's cells, radians: the first grows along a row."""
    pairs = torch.meshgrid(_turn(columns), _turn(rows), indexing="xy")
    return torch.stack(pairs, dim=-1).float()


def _turn(cells: int) -> Float[Tensor, " cells"]:
    """The middles of as many equal parts of [-pi, pi]."""
    return (torch.arange(cells, dtype=torch.float64) + 0.5) * 2 * math.pi / cells - math.pi


def _cells(turns: Float[Tensor, "n 2"], shape: tuple[int, int]) -> Int64[Tensor, "n 2"]:
    """Which of as many equal parts of [-pi, pi] two numbers lie in."""
    count = torch.tensor(shape)
    return ((turns / (2 * math.pi) + 0.5) * count).long().clamp(count.new_zeros(2), count - 1)
