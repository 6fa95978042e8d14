"""Grids cover their surface once, and what is drawn of a density is where it is."""

import math

import pytest
import torch

from data import RNA, Earth, Protein, VonMisesFisher, WrappedTorus
from data.charts import sphere_chart, sphere_grid


@pytest.mark.parametrize("embedding", ["angles", "pairs"])
def test_densities_of_angles_sum_to_one(embedding):
    law = WrappedTorus(dim=2, scale=0.5, embedding=embedding)
    chart = law.chart()
    log_density = law.log_density(chart.grid.flatten(0, 1))
    assert log_density.exp().mean().item() * 4 * math.pi**2 == pytest.approx(1, rel=1e-6)


def test_densities_of_the_sphere_sum_to_one():
    law = VonMisesFisher(means=[[1, 2, 3]])
    grid = law.chart().grid
    level = (1 - grid[..., 2].square()).sqrt()
    density = law.log_density(grid.flatten(0, 1)).exp().view(level.shape)
    cell = 2 * math.pi / grid.shape[1] * math.pi / grid.shape[0]
    assert (density * level).sum().item() * cell == pytest.approx(1, rel=2e-3)


@pytest.mark.parametrize("embedding", ["angles", "pairs"])
def test_a_peak_of_two_angles_is_drawn_at_them(embedding):
    law = WrappedTorus(dim=2, scale=0.3, embedding=embedding)
    law.mean = torch.tensor([math.pi / 2, -math.pi / 2], dtype=torch.float64)  # below, right
    chart = law.chart()
    density = law.log_density(chart.grid.flatten(0, 1)).exp().view(chart.grid.shape[:2])
    far = chart.grid[:1, 0]
    picture = chart.draw(far, far, density)
    panel = picture[..., -picture.shape[2] // 3 :]
    peak = ((panel[0] > 0.4) & (panel[2] < 0.1)).nonzero().double().mean(0)
    row, column = peak / torch.tensor(panel.shape[1:])
    assert row > 0.6
    assert column > 0.65


def test_data_that_people_look_at_have_charts_and_others_none():
    assert Earth("fire").chart().draw is sphere_chart().draw
    assert Protein().chart().grid.shape == (90, 90, 2)
    assert Protein(embedding="pairs").chart().grid.shape == (90, 90, 4)
    assert RNA().chart() is None
    assert WrappedTorus(dim=3).chart() is None


def test_rows_of_a_map_go_from_south_to_north():
    assert (sphere_grid(4, 8)[..., 2].diff(dim=0) > 0).all()
