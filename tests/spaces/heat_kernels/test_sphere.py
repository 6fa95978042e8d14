"""The heat kernel of spheres against its series at high precision, closed forms and properties."""

import math
from functools import cache

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial.legendre import leggauss
from torch.testing import assert_close

from ldm.randomness import sample_generators
from ldm.spaces import Sphere
from ldm.spaces.heat_kernels.radial import radial_kernel

ANGLES = [1e-3, 0.4, 1.2, 2.2, 3.0, 3.1415]


def double(*values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def radial(angle: torch.Tensor, s: float | torch.Tensor, dim: int, precision=torch.float64):
    """Compute the log density, and the score along the geodesic."""
    s = torch.as_tensor(s, dtype=torch.float64).expand(len(angle))
    log_kernel, slope = radial_kernel(angle, math.pi - angle, s, dim, precision)
    return log_kernel, -slope * angle.sin()


@cache
def series(angle: float, s: float, dim: int) -> tuple[float, float]:
    """Compute log density and score by the eigenfunction series, at enough digits to cancel."""
    lost = angle**2 / (4.6 * s) + 0.6 * dim * abs(math.log10(s)) + 10
    with mpmath.workdps(int(30 + lost)):
        a, x, s = mpmath.mpf(dim - 1) / 2, mpmath.cos(mpmath.mpf(angle)), mpmath.mpf(s)
        # C_n^a, and its derivative 2 a C_{n-1}^{a+1}, by their recurrences.
        low, high, slope_low, slope_high = 1, 2 * a * x, mpmath.mpf(0), 2 * a
        total, slope, n = mpmath.mpf(1), mpmath.mpf(0), 1
        while True:
            factor = mpmath.exp(-n * (n + dim - 1) * s / 2) * (2 * n + dim - 1) / (dim - 1)
            total, slope = total + factor * high, slope + factor * slope_high
            if n % 20 == 0:
                largest = factor * mpmath.binomial(n + dim, dim) * dim
                if largest < mpmath.mpf(10) ** -(lost + 20):
                    break
            low, high = high, (2 * x * (n + a) * high - (n + 2 * a - 1) * low) / (n + 1)
            slope_low, slope_high = (
                slope_high,
                (2 * x * (n + a) * slope_high - (n + 2 * a) * slope_low) / n,
            )
            n += 1
        log_area = mpmath.log(2) + (a + 1) * mpmath.log(mpmath.pi) - mpmath.loggamma(a + 1)
        score = -mpmath.sin(mpmath.mpf(angle)) * slope / total
        return float(mpmath.log(total) - log_area), float(score)


@pytest.mark.parametrize(
    ("deviation", "density", "score"),
    [
        (
            0.4,
            [0.904656, 0.477745, 0.048960, 6e-6, 0],
            [-1.2164, -3.0398, -6.0699, -12.0161, -14.5235],
        ),
        (
            0.7,
            [0.339743, 0.279193, 0.138820, 0.008921, 0.000194],
            [-0.3741, -0.9341, -1.8581, -3.5849, -2.2545],
        ),
        (
            1.0,
            [0.185535, 0.170149, 0.125213, 0.038879, 0.010580],
            [-0.1652, -0.4115, -0.8121, -1.4705, -0.4904],
        ),
        (2.0, [0.083865, 0.083416, 0.081940, 0.077757, 0.075251], None),
    ],
)
def test_densities_and_scores_on_s2_agree_with_tabulated_values(deviation, density, score):
    log_kernel, slope = radial(double(0.2, 0.5, 1.0, 2.0, 3.0), deviation**2, 2)
    assert_close(log_kernel.exp(), double(*density), rtol=0, atol=6e-7)
    if score:
        assert_close(slope, double(*score), rtol=0, atol=6e-5)


@pytest.mark.parametrize(
    ("precision", "error"), [(torch.float64, 3e-13), (torch.float32, 3e-7)], ids=str
)
@pytest.mark.parametrize(
    ("dim", "variances"),
    [
        (2, [0.03, 0.16, 0.5, 1.0, 4.0, 12.0]),
        (3, [0.05, 0.5, 4.0]),
        (5, [0.05, 0.5, 4.0]),
        (31, [0.03, 0.3]),
        (32, [0.03, 0.3]),
        (127, [0.02, 0.2]),
        (511, [0.05]),
    ],
)
def test_density_and_score_errors_are_below_the_stated_bounds(dim, variances, precision, error):
    for s in variances:
        angles = [angle for angle in ANGLES if angle**2 / s < 250]
        exact = double(*[series(angle, s, dim) for angle in angles])
        log_kernel, score = radial(double(*angles), s, dim, precision)
        assert_close(log_kernel, exact[:, 0], rtol=1e-15, atol=error)
        assert_close(score, exact[:, 1], rtol=error, atol=1e-13)


@given(angle=st.floats(1e-9, 3.1), log_s=st.floats(-18.4, 2.0))
def test_densities_on_s3_have_their_closed_form(angle, log_s):
    # exp(s/2) (2 pi s)^(-3/2) sum_k (angle + 2 pi k) / sin(angle) exp(-(angle + 2 pi k)^2 / 2s)
    s = math.exp(log_s)
    with mpmath.workdps(40):
        turns = [angle + 2 * mpmath.pi * k for k in range(-12, 13)]
        total = mpmath.fsum(
            t * mpmath.exp(-(t * t - mpmath.mpf(angle) ** 2) / (2 * s)) for t in turns
        )
        exact = s / 2 - 1.5 * mpmath.log(2 * mpmath.pi * s) - mpmath.mpf(angle) ** 2 / (2 * s)
        exact = float(exact + mpmath.log(total / mpmath.sin(angle)))
    assert_close(radial(double(angle), s, 3)[0], double(exact), rtol=1e-14, atol=1e-12)


@pytest.mark.parametrize("dim", [2, 7, 127, 511])
@pytest.mark.parametrize("scaled", [0.02, 1.0, 6.0])
def test_the_density_integrates_to_one_and_zonal_harmonics_decay_exponentially(dim, scaled):
    s = scaled / dim
    x, weights = map(torch.from_numpy, leggauss(600))
    angle = math.pi / 2 * (1 + x)
    log_kernel, _ = radial(angle, s, dim)
    log_circle = Sphere(dim - 1).log_volume
    mass = (log_kernel + log_circle + (dim - 1) * angle.sin().log()).exp() * weights * math.pi / 2
    assert mass.sum().item() == pytest.approx(1, abs=1e-10)
    assert (mass * angle.cos()).sum().item() == pytest.approx(math.exp(-dim * s / 2), abs=1e-10)
    # A harmonic of degree 2; exponential decay in s is the semigroup property.
    second = ((dim + 1) * angle.cos().square() - 1) / dim
    assert (mass * second).sum().item() == pytest.approx(math.exp(-(dim + 1) * s), abs=1e-10)


@pytest.mark.parametrize("dim", [2, 127, 511])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_densities_and_scores_are_finite_for_every_variance_and_angle(dim, dtype):
    sphere = Sphere(dim)
    origin = sphere.random(1, torch.Generator().manual_seed(0), dtype=dtype)
    v = sphere.random_tangent(origin, torch.Generator().manual_seed(1))
    angles = torch.tensor([0, 1e-6, 1e-3, 0.5, math.pi / 2, 3.0, math.pi - 1e-4, math.pi])
    for s in (1e-8, 1e-5, 1e-3, 0.1, 1.0, 10.0, math.inf):
        x = sphere.exp(origin.expand(8, -1), angles.to(dtype).unsqueeze(1) * v / v.norm())
        x[0], x[-1] = origin, -origin
        arguments = x, origin.expand(8, -1), torch.full((8,), s, dtype=dtype)
        score = sphere.heat_kernel.score(*arguments)
        assert score.isfinite().all()
        assert sphere.heat_kernel.log_density(*arguments).isfinite().all()
        assert score.dtype == dtype
        # By symmetry the score vanishes at both poles.
        assert score[[0, -1]].norm() <= 1e-5 / min(s, 1)


@given(seed=st.integers(0, 2**31), log_s=st.floats(-6, 1.5), dim=st.sampled_from([2, 3, 16, 127]))
@settings(max_examples=20)
def test_the_score_is_the_gradient_and_the_density_is_symmetric(seed, log_s, dim):
    sphere, generator = Sphere(dim), torch.Generator().manual_seed(seed)
    s = double(math.exp(log_s), math.exp(log_s))
    origin = sphere.random(2, generator, dtype=torch.float64)
    x = sphere.heat_kernel.sample(origin, s, generator).requires_grad_()
    log_density = sphere.heat_kernel.log_density(x, origin, s)
    (gradient,) = torch.autograd.grad(log_density.sum(), x)
    x = x.detach()
    score = sphere.heat_kernel.score(x, origin, s)
    assert_close(score, sphere.tangent(x, gradient), rtol=1e-8, atol=1e-8)
    assert_close(log_density.detach(), sphere.heat_kernel.log_density(origin, x, s))


def test_large_variances_give_the_uniform_distribution():
    for dim in (2, 127):
        sphere = Sphere(dim)
        x, origin = sphere.random(9, dtype=torch.float64), sphere.random(9, dtype=torch.float64)
        for s in (50.0, math.inf):
            s = torch.full((9,), s, dtype=torch.float64)
            uniform = torch.full((9,), -sphere.log_volume, dtype=torch.float64)
            assert_close(sphere.heat_kernel.log_density(x, origin, s), uniform)
            assert sphere.heat_kernel.score(x, origin, s).abs().max() < 1e-12


@pytest.mark.parametrize("dim", [2, 127, 511])
@pytest.mark.parametrize("scaled", [1e-4, 0.3, 2.0, 6.0])
def test_samples_have_the_expected_mean_and_lie_on_the_sphere(dim, scaled):
    n, sphere = 4000, Sphere(dim)
    generator = torch.Generator().manual_seed(dim)
    origin = sphere.random(1, generator).expand(n, -1)
    x = sphere.heat_kernel.sample(origin, torch.full((n,), scaled / dim), generator)
    sphere.check(x)
    versine = sphere.distance(x, origin).double().div(2).sin().square() * 2  # 1 - cos
    error = 4 * versine.std().item() / math.sqrt(n)
    assert versine.mean().item() == pytest.approx(-math.expm1(-scaled / 2), abs=error)


def test_samples_with_own_generators_do_not_depend_on_the_batch():
    sphere = Sphere(2)
    origin, s = sphere.random(3), torch.tensor([0.01, 0.5, 20.0])
    together = sphere.heat_kernel.sample(origin, s, sample_generators(0, range(3)))
    alone = [
        sphere.heat_kernel.sample(origin[[i]], s[[i]], sample_generators(0, [i])) for i in range(3)
    ]
    assert_close(together, torch.cat(alone))


def test_autocast_does_not_reduce_precision():
    sphere = Sphere(15)
    origin, s = sphere.random(20), torch.rand(20) / 8
    x = sphere.heat_kernel.sample(origin, s, torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        again = sphere.heat_kernel.sample(origin, s, torch.Generator().manual_seed(0))
        score = sphere.heat_kernel.score(x, origin, s)
    assert torch.equal(again, x)
    assert torch.equal(score, sphere.heat_kernel.score(x, origin, s))
