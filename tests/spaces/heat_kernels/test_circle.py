"""The wrapped normal against its defining sums at 40 digits, and properties of a heat kernel."""

import math

import mpmath
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from ldm.spaces import Sphere
from ldm.spaces.heat_kernels.circle import JOIN, wrapped_log_density, wrapped_score

ANGLES = [0.0, 1e-6, 0.3, 1.5, 3.0, math.pi]
VARIANCES = [1e-8, 1e-4, 0.01, 0.5, 2.0, JOIN - 1e-9, JOIN, 10.0, 50.0]
CIRCLE = Sphere(1)


def reference(angle: float, s: float) -> tuple[float, float]:
    """Compute the log density and its derivative by the sum over a thousand turns."""
    with mpmath.workdps(40):
        a, s = mpmath.mpf(angle), mpmath.mpf(s)
        turns = [a + 2 * mpmath.pi * k for k in range(-20, 21)]
        weights = [mpmath.exp(-(t**2) / (2 * s)) for t in turns]
        total = mpmath.fsum(weights)
        slope = -mpmath.fsum(t * w for t, w in zip(turns, weights, strict=True)) / (s * total)
        return float(mpmath.log(total / mpmath.sqrt(2 * mpmath.pi * s))), float(slope)


@pytest.mark.parametrize("s", VARIANCES)
@pytest.mark.parametrize(("dtype", "eps"), [(torch.float64, 1e-15), (torch.float32, 5e-7)])
def test_density_and_score_equal_the_sum_over_turns(s, dtype, eps):
    s = torch.tensor(s, dtype=dtype)
    angle = torch.tensor(ANGLES, dtype=dtype)
    exact = torch.tensor([reference(a.item(), s.item()) for a in angle], dtype=torch.float64)
    log_density, score = wrapped_log_density(angle, s), wrapped_score(angle, s)
    assert_close(log_density.double(), exact[:, 0], rtol=8 * eps, atol=8 * eps)
    # Within s/pi of the antipode the score jumps from -pi/s to pi/s, and the angles have rounding
    # errors.
    away = (angle < 3.1) | (s > 0.1)
    assert_close(score.double()[away], exact[away, 1], rtol=8 * eps, atol=8 * eps / s.item() ** 2)


def test_infinite_variance_gives_the_uniform_distribution():
    angle, s = torch.tensor(ANGLES), torch.tensor(torch.inf)
    assert_close(wrapped_log_density(angle, s), torch.full((6,), -math.log(2 * math.pi)))
    assert (wrapped_score(angle, s) == 0).all()
    origin = CIRCLE.random(9, torch.Generator().manual_seed(0))
    CIRCLE.check(CIRCLE.heat_kernel.sample(origin, torch.full((9,), torch.inf)))


@given(angle=st.floats(-3.1, 3.1), s=st.floats(0.01, 60.0), turns=st.integers(-5, 5))
def test_the_score_is_the_derivative_and_has_period_2_pi(angle, s, turns):
    s = torch.tensor(s, dtype=torch.float64)
    angle = torch.tensor(angle, dtype=torch.float64, requires_grad=True)
    (derivative,) = torch.autograd.grad(wrapped_log_density(angle, s), angle)
    assert_close(wrapped_score(angle.detach(), s), derivative, rtol=1e-11, atol=1e-11)
    moved = angle.detach() + 2 * math.pi * turns
    assert_close(wrapped_log_density(moved, s), wrapped_log_density(angle.detach(), s))


@pytest.mark.parametrize("s", [0.01, 0.5, JOIN, 20.0])
def test_the_density_integrates_to_one_and_its_mean_cosine_decays_exponentially(s):
    grid = torch.arange(400).double() * (2 * math.pi / 400)  # exact for periodic functions
    density = wrapped_log_density(grid, torch.tensor(s, dtype=torch.float64)).exp() * (
        2 * math.pi / 400
    )
    assert_close(density.sum().item(), 1.0, rtol=0, atol=1e-13)
    assert_close((density * grid.cos()).sum().item(), math.exp(-s / 2), rtol=0, atol=1e-13)


@given(seed=st.integers(0, 2**31), s=st.floats(1e-6, 30.0))
def test_the_kernel_on_points_is_symmetric_and_its_score_is_the_tangent_gradient(seed, s):
    x, origin = (CIRCLE.random(1, torch.Generator().manual_seed(seed + k)).double() for k in (0, 1))
    x, origin, s = CIRCLE.project(x), CIRCLE.project(origin), torch.tensor([s], dtype=torch.float64)
    kernel = CIRCLE.heat_kernel
    x.requires_grad_()
    log_density = kernel.log_density(x, origin, s)
    assert_close(log_density.detach(), kernel.log_density(origin, x.detach(), s))
    (gradient,) = torch.autograd.grad(log_density.sum(), x)
    tangent = CIRCLE.tangent(x.detach(), gradient)
    assert_close(kernel.score(x.detach(), origin, s), tangent, rtol=1e-9, atol=1e-9)


def test_near_points_have_full_relative_precision_in_float32():
    origin = torch.tensor([[0.6, 0.8]])
    x = origin + torch.tensor([[-0.8, 0.6]]) * 1e-5
    s = torch.tensor([1e-10])
    away = (x.double() - origin.double()).norm()
    assert_close(
        CIRCLE.heat_kernel.score(x, origin, s).norm().double(), away / 1e-10, rtol=1e-5, atol=0
    )


@pytest.mark.parametrize("s", [1e-4, 0.3, 3.0])
def test_samples_have_the_characteristic_function_of_the_distribution(s):
    n = 200_000
    origin = torch.tensor([[0.6, -0.8]]).double().expand(n, 2)
    variance = torch.full((n,), s, dtype=torch.float64)
    x = CIRCLE.heat_kernel.sample(origin, variance, torch.Generator().manual_seed(1))
    angle = CIRCLE.distance(x, origin)
    for m in (1, 2, 3):
        cosines = (m * angle).cos()
        error = 4 * cosines.std().item() / math.sqrt(n)
        assert cosines.mean().item() == pytest.approx(math.exp(-m * m * s / 2), abs=error)
