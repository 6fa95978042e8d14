"""Grids of charts cover their surface, and densities are evaluated at the right cells."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data import RNA, Earth, Protein, VonMisesFisher, WrappedTorus
from data.points.charts import sphere_chart, sphere_grid, torus_chart


@pytest.mark.parametrize("embedding", ["angles", "pairs"])
def test_densities_on_the_torus_grid_sum_to_one(embedding):
    law = WrappedTorus(dim=2, scale=0.5, embedding=embedding)
    chart = law.chart()
    log_density = law.log_density(chart.grid.flatten(0, 1))
    assert log_density.exp().mean().item() * 4 * math.pi**2 == pytest.approx(1, rel=1e-6)


def test_densities_on_the_sphere_grid_sum_to_one():
    law = VonMisesFisher(means=[[1, 2, 3]])
    grid = law.chart().grid
    level = (1 - grid[..., 2].square()).sqrt()
    density = law.log_density(grid.flatten(0, 1)).exp().view(level.shape)
    cell = 2 * math.pi / grid.shape[1] * math.pi / grid.shape[0]
    assert (density * level).sum().item() * cell == pytest.approx(1, rel=2e-3)


@pytest.mark.parametrize("embedding", ["angles", "pairs"])
def test_a_peak_of_two_angles_is_drawn_at_its_position(embedding):
    law = WrappedTorus(dim=2, scale=0.3, embedding=embedding)
    law.mean = torch.tensor([math.pi / 2, -math.pi / 2], dtype=torch.float64)  # below, right
    chart = law.chart()
    log_density = law.log_density(chart.grid.flatten(0, 1)).view(chart.grid.shape[:2])
    far = chart.grid[:1, 0]
    picture = chart.draw(far, far, log_density)
    panel = picture[:, : picture.shape[1] * 4 // 5, picture.shape[2] // 3 :]
    peak = ((panel[0] > 0.3) & (panel[0] < 0.5) & (panel[2] < 0.1)).nonzero().double().mean(0)
    row, column = peak / torch.tensor(panel.shape[1:])
    assert row > 0.6
    assert column > 0.65


CHARTS = {
    "sphere": sphere_chart,
    "angles": lambda: torus_chart("angles"),
    "pairs": lambda: torus_chart("pairs"),
}


@pytest.mark.parametrize("name", list(CHARTS))
def test_points_of_the_grid_lie_in_their_own_cells(name):
    chart = CHARTS[name]()
    rows, columns = chart.grid.shape[:2]
    found = chart.cell(chart.grid.flatten(0, 1)).unflatten(0, (rows, columns))
    assert torch.equal(
        found, torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).view(found.shape)
    )


@pytest.mark.parametrize("name", list(CHARTS))
@given(seed=st.integers(0, 2**31), n=st.integers(1, 60))
@settings(max_examples=10, deadline=None)
def test_values_near_points_are_exact_with_few_evaluations(name, seed, n):
    chart, asked = CHARTS[name](), []

    def function(x):
        asked.append(len(x))
        return (5 * x).sin().sum(1)

    rows, columns = chart.grid.shape[:2]
    choice = torch.randint(rows * columns, (n,), generator=torch.Generator().manual_seed(seed))
    near = chart.grid.flatten(0, 1)[choice]
    values = chart.values(function, near)
    assert values.shape == (rows, columns)
    torch.testing.assert_close(values.flatten()[choice], function(near))
    asked.pop()
    assert sum(asked) <= rows * columns / 81 + 90 * n
    exact = function(chart.grid.flatten(0, 1)).view(values.shape)
    assert (values - exact).abs()[9:-9, 9:-9].max() < 0.2  # interpolated elsewhere


def test_peaks_of_width_0_01_radians_are_found_near_samples():
    law = VonMisesFisher(means=[[1, 2, 1], [3, -1, -1]], kappa=1e4, size=500)
    chart = law.chart()
    values = chart.values(law.log_density, law.load("val").points)
    level = (1 - chart.grid[..., 2].square()).sqrt()
    cell = 2 * math.pi / 720 * math.pi / 360
    assert (values.exp() * level).sum().item() * cell == pytest.approx(1, rel=0.03)
    assert values.max().item() == pytest.approx(math.log(1e4 / (4 * math.pi)), abs=0.2)
    few = chart.grid[4::9, 4::9]
    missed = law.log_density(few.flatten(0, 1)).exp().view(few.shape[:2]) * level[4::9, 4::9]
    assert missed.sum().item() * 81 * cell != pytest.approx(1, rel=0.2)


def test_data_on_the_sphere_and_two_dimensional_tori_have_charts():
    assert Earth("fire").chart().draw.func is VonMisesFisher().chart().draw is sphere_chart().draw
    assert Protein().chart().grid.shape == (360, 360, 2)
    assert Protein(embedding="pairs").chart().grid.shape == (360, 360, 4)
    assert RNA().chart() is None
    assert WrappedTorus(dim=3).chart() is None


def test_rows_of_the_sphere_grid_go_from_south_to_north():
    assert (sphere_grid(4, 8)[..., 2].diff(dim=0) > 0).all()
