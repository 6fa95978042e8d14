"""The ball against its own closed forms, its other coordinates, and another library."""

import math

import geoopt
import pytest
import torch
from torch.testing import assert_close

from ldm.spaces import PoincareBall
from ldm.spaces.divergence import divergence


def draw(n: int = 50, dim: int = 3, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [PoincareBall(dim).random(n, generator, dtype=torch.float64) for _ in range(2)]


def test_distances_follow_the_balls_own_formula():
    x, y = draw()
    room = (1 - x.square().sum(1)) * (1 - y.square().sum(1))
    expected = torch.acosh(1 + 2 * (x - y).square().sum(1) / room)
    assert_close(PoincareBall(3).distance(x, y), expected)


def test_coordinates_of_ball_and_hyperboloid_undo_each_other():
    x, _ = draw()
    ball = PoincareBall(3)
    y = ball.to_hyperboloid(x)
    ball.hyperboloid.check(y)
    assert_close(ball.from_hyperboloid(y), x)
    assert_close(ball.log_density(x), ball.hyperboloid.log_density(y))


def test_both_coordinates_draw_the_same_points():
    ball = PoincareBall(3, scale=0.8)
    ours = ball.random(9, torch.Generator().manual_seed(0))
    theirs = ball.hyperboloid.random(9, torch.Generator().manual_seed(0))
    assert_close(ball.to_hyperboloid(ours), theirs, atol=1e-4, rtol=1e-4)


def test_a_diameter_is_a_geodesic_of_known_length():
    r = 3.7
    x = torch.tensor([[math.tanh(r / 2), 0.0]], dtype=torch.float64)
    assert PoincareBall(2).distance(-x, x).item() == pytest.approx(2 * r, rel=1e-12)


@pytest.mark.parametrize(
    ("dtype", "reach"), [(torch.float32, 14.5), (torch.float64, 34.5)], ids=str
)
def test_points_are_held_at_the_rim(dtype, reach):
    ball = PoincareBall(2)
    centre = torch.zeros(1, 2, dtype=dtype)
    far = ball.exp(centre, torch.tensor([[60.0, 0.0]], dtype=dtype))
    ball.check(far)
    assert ball.distance(centre, far).item() == pytest.approx(reach, abs=0.3)
    assert ball.log(far, centre).isfinite().all()
    assert ball.distance(far, -far).item() == pytest.approx(2 * reach, abs=0.6)


def test_the_divergence_is_the_hyperboloids():
    ball = PoincareBall(3)
    x, _ = draw(5)
    matrix = torch.randn(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def lorentz_field(y):
        return ball.hyperboloid.tangent(y, torch.sin(y @ matrix))

    def ball_field(x):
        return ball._pulled(x, lorentz_field(ball.to_hyperboloid(x)))

    _, expected = divergence(ball.hyperboloid, lorentz_field, ball.to_hyperboloid(x))
    assert_close(divergence(ball, ball_field, x)[1], expected, atol=1e-9, rtol=1e-9)


def test_geoopt_agrees():
    (x, y), ball, theirs = draw(), PoincareBall(3), geoopt.PoincareBall()
    v = ball.random_tangent(x, torch.Generator().manual_seed(0))
    assert_close(ball.distance(x, y), theirs.dist(x, y))
    assert_close(ball.exp(x, v), theirs.expmap(x, v))
    assert_close(ball.log(x, y), theirs.logmap(x, y))
    assert_close(ball.transport(x, y, v), theirs.transp(x, y, v))
    assert_close(ball.gradient(x, v), theirs.egrad2rgrad(x, v))


def test_no_dimension_is_refused():
    with pytest.raises(ValueError, match="got 0 and 1"):
        PoincareBall(0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_points_on_the_rim_are_refused_and_projected_ones_pass(dtype):
    rim = torch.tensor([[0.6, 0.8]], dtype=dtype)
    with pytest.raises(ValueError, match="within its rim"):
        PoincareBall(2).check(rim)
    beyond = torch.randn(500, 2, generator=torch.Generator().manual_seed(0), dtype=dtype)
    PoincareBall(2).check(PoincareBall(2).project(5 * beyond))
