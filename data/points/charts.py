"""Charts for drawing densities: a grid of points of a surface, and how to draw values on it."""

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

STRIDE = 9  # ratio of the coarsest to the finest cell size, a power of three


class Chart(NamedTuple):
    """A grid on a surface for drawing densities."""

    grid: Float[Tensor, "rows columns ..."]
    """Points at the centres of the cells."""

    cell: Callable[[Float[Tensor, "n ..."]], Int64[Tensor, "n 2"]]
    """Maps points to the row and column of their cells."""

    draw: Callable[[Tensor, Tensor, Float[Tensor, "rows columns"]], Picture]
    """Maps data, samples, and the log density on the grid in nats to one image in [0, 1]."""

    def values(
        self,
        function: Callable[[Float[Tensor, "n ..."]], Float[Tensor, " n"]],
        near: Float[Tensor, "m ..."],
    ) -> Float[Tensor, "rows columns"]:
        """Evaluate a costly function on the grid: densely near given points, else interpolated.

        It is evaluated at every ninth cell of rows and columns; at every third cell in blocks of
        9 x 9 cells that contain a point and in their neighbours; and at every cell in blocks of
        3 x 3 that contain a point. With samples of a density as points, narrow peaks are found at a
        low cost.

        Args:
            function: function of points; it is evaluated `rows columns / 81` times, plus at most 90
                times for each of `near` (usually far less, as blocks are shared).
            near: points near which the function varies most.
        """
        every, cells = STRIDE, self.cell(near)
        few = self.grid[every // 2 :: every, every // 2 :: every]
        found = function(few.flatten(0, 1)).view(few.shape[:2])
        while every > 1:
            wanted = torch.zeros(found.shape)
            wanted[tuple((cells // every).T)] = 1
            if every == STRIDE:  # with neighbours, or interpolation would smear peaks
                wanted = max_pool2d(wanted[None], 3, stride=1, padding=1)[0]
            every //= 3
            found, wanted = (
                interpolate(x[None, None], scale_factor=3, mode=mode)[0, 0]
                for x, mode in ((found, "bilinear"), (wanted, "nearest"))
            )
            grid = self.grid[every // 2 :: every, every // 2 :: every]
            found[wanted > 0] = function(grid[wanted > 0])
        return found


def sphere_chart(draw: Callable[..., Picture] = world_map) -> Chart:
    """Build a chart of the sphere: a world map, drawn by `draw`, with cells of half a degree."""
    grid = sphere_grid(360, 720)

    def cell(x: Float[Tensor, "n 3"]) -> Int64[Tensor, "n 2"]:
        latitude, longitude = x[:, 2].clamp(-1, 1).asin(), torch.atan2(x[:, 1], x[:, 0])
        return _cells(torch.stack([2 * latitude, longitude], dim=1), grid.shape[:2])

    return Chart(grid, cell, draw)


def torus_chart(embedding: str, names: Sequence[str] | None = None) -> Chart:
    """Build a chart of the torus: a Ramachandran plot, for points in the given `embedding`."""
    grid = torus_grid(360, 360)

    def cell(x: Float[Tensor, "n coordinates"]) -> Int64[Tensor, "n 2"]:
        angles = angles_of(x, embedding).flip(1)  # the second angle is the vertical axis
        return _cells(torch.atan2(angles.sin(), angles.cos()), grid.shape[:2])

    def draw(data: Tensor, samples: Tensor, log_density: Tensor) -> Picture:
        return torus(*(angles_of(x, embedding) for x in (data, samples)), names, log_density)

    points = embed(grid.flatten(0, 1), embedding).unflatten(0, grid.shape[:2])
    return Chart(points, cell, draw)


def sphere_grid(rows: int, columns: int) -> Float[Tensor, "rows columns 3"]:
    """List points of the unit sphere at the centres of map cells, from south-west to north-east."""
    latitude, longitude = _turn(rows)[:, None] / 2, _turn(columns)
    level = latitude.cos() * torch.ones(columns)
    xyz = (level * longitude.cos(), level * longitude.sin(), latitude.sin().expand_as(level))
    return torch.stack(xyz, dim=-1).float()


def torus_grid(rows: int, columns: int) -> Float[Tensor, "rows columns 2"]:
    """List two angles at the centres of plot cells, radians; the first grows along a row."""
    pairs = torch.meshgrid(_turn(columns), _turn(rows), indexing="xy")
    return torch.stack(pairs, dim=-1).float()


def _turn(cells: int) -> Float[Tensor, " cells"]:
    """List the midpoints of `cells` equal parts of [-pi, pi]."""
    return (torch.arange(cells, dtype=torch.float64) + 0.5) * 2 * math.pi / cells - math.pi


def _cells(turns: Float[Tensor, "n 2"], shape: tuple[int, int]) -> Int64[Tensor, "n 2"]:
    """Find which of `shape` equal parts of [-pi, pi] each of two numbers lies in."""
    count = torch.tensor(shape)
    return ((turns / (2 * math.pi) + 0.5) * count).long().clamp(count.new_zeros(2), count - 1)
