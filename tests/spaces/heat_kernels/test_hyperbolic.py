"""The hyperbolic heat kernels against McKean's integral and the heat equation; their samples."""

import math

import mpmath
import pytest
import torch
from scipy import stats
from torch.testing import assert_close

from ldm.randomness import sample_generators
from ldm.spaces import Hyperboloid, PoincareBall
from ldm.spaces.numerics.sinhc import log_sinhc_of_root

dims = pytest.mark.parametrize("dim", [2, 3])


def double(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def ray(r: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Build points at distances r from the origin, and as many copies of the origin."""
    zeros = torch.zeros(len(r), dim - 1, dtype=r.dtype)
    x = torch.cat([r.cosh()[:, None], r.sinh()[:, None], zeros], 1)
    return x, Hyperboloid(dim).project(torch.zeros_like(x))


def log_kernel(r: torch.Tensor, s: torch.Tensor, dim: int) -> torch.Tensor:
    return Hyperboloid(dim).heat_kernel.log_density(*ray(r, dim), s)


@pytest.mark.parametrize("s", [0.01, 0.5, 4.0, 60.0])
@pytest.mark.parametrize("r", [0.0, 0.02, 1.0, 5.0])
def test_the_kernel_of_the_plane_is_mckeans_integral(r, s):
    with mpmath.workdps(30):
        # Substituting v^2 = u - r removes the singularity.
        def integrand(v):
            u = r + v * v
            gap = 2 * mpmath.sinh(u / 2 + r / 2) * mpmath.sinh(v * v / 2)
            limit = 2 * v / mpmath.sqrt(gap) if v else mpmath.mpf(0)
            return u * mpmath.exp((r * r - u * u) / (2 * s)) * limit

        far = mpmath.sqrt(mpmath.sqrt(r * r + 150 * s) - r)
        integral = mpmath.quad(integrand, mpmath.linspace(0, far, 9))
        log_factor = 0.5 * mpmath.log(2) - s / 8 - 1.5 * mpmath.log(2 * mpmath.pi * s)
        expected = float(mpmath.log(integral) + log_factor - mpmath.mpf(r) ** 2 / (2 * s))
    got = log_kernel(double(r), double(s), 2)
    assert got.item() == pytest.approx(expected, rel=1e-11, abs=1e-11)


def test_the_kernel_of_3_space_at_one_point():
    r, s = 1.7, 0.6
    expected = (2 * math.pi * s) ** -1.5 * r / math.sinh(r) * math.exp(-s / 2 - r * r / (2 * s))
    got = log_kernel(double(r), double(s), 3).exp()
    assert got.item() == pytest.approx(expected, rel=1e-12)


@dims
@pytest.mark.parametrize("s", [0.03, 1.0, 9.0])
def test_the_density_integrates_to_one_and_the_mean_cosh_grows_with_its_eigenvalue(dim, s):
    r = torch.linspace(0, 5 * dim * s + 20 * math.sqrt(s), 40_001, dtype=torch.float64)
    log_area = math.log(2 * math.pi if dim == 2 else 4 * math.pi)
    log_volume = log_area + (dim - 1) * (log_sinhc_of_root(r.square()) + r.log())
    # Coordinates overflow in double precision beyond r = 176.
    log_mass = log_volume + log_kernel(r.clamp(max=170), torch.full_like(r, s), dim)
    log_mass = torch.where(r < 170, log_mass, -torch.inf)
    assert torch.trapezoid(log_mass.exp(), r).item() == pytest.approx(1, abs=1e-5)
    log_cosh = r + torch.log1p((-2 * r).exp()) - math.log(2)
    mean = torch.trapezoid((log_mass + log_cosh - dim * s / 2).exp(), r)
    assert mean.item() == pytest.approx(1, abs=1e-5)


@dims
@pytest.mark.parametrize("s", [0.1, 2.0])
def test_the_heat_equation_holds(dim, s):
    r = double(0.1, 0.8, 2.5, 6.0)
    s, h = torch.full_like(r, s), 1e-3

    def at(step: float, ds: float) -> torch.Tensor:
        return (log_kernel(r + step, s + ds, dim) - log_kernel(r, s, dim)).exp()

    ds = 1e-4 * s[0].item()
    rate = (at(0, ds) - at(0, -ds)) / (2 * ds)
    first, second = (at(h, 0) - at(-h, 0)) / (2 * h), (at(h, 0) + at(-h, 0) - 2) / h**2
    assert_close(rate, (second + (dim - 1) * first / r.tanh()) / 2, atol=1e-4, rtol=1e-3)


@dims
def test_the_score_is_the_gradient_of_the_log_density(dim):
    space = Hyperboloid(dim)
    generator = torch.Generator().manual_seed(0)
    x, origin = (space.random(20, generator, dtype=torch.float64) for _ in range(2))
    s = torch.linspace(0.05, 5, 20, dtype=torch.float64)
    x.requires_grad_()
    (slope,) = torch.autograd.grad(space.heat_kernel.log_density(x, origin, s).sum(), x)
    score = space.heat_kernel.score(x.detach(), origin, s)
    assert_close(score, space.gradient(x.detach(), slope), atol=1e-9, rtol=1e-9)
    at_origin = space.heat_kernel.score(origin, origin, s)
    assert_close(at_origin, torch.zeros_like(origin))


@dims
def test_at_small_variance_the_kernel_is_the_normal_distribution(dim):
    r, s = double(0.0, 1e-3, 3e-3), double(1e-6, 1e-6, 1e-6)
    normal = -0.5 * (r.square() / s + dim * (2 * math.pi * s).log())
    assert_close(log_kernel(r, s, dim), normal, atol=1e-5, rtol=0)


@dims
@pytest.mark.parametrize("s", [0.05, 1.0, 6.0])
def test_samples_follow_the_density(dim, s):
    n = 20_000
    space = Hyperboloid(dim)
    origin = space.random(1, torch.Generator().manual_seed(1), dtype=torch.float64).expand(n, -1)
    generator = torch.Generator().manual_seed(0)
    x = space.heat_kernel.sample(origin, torch.full((n,), s, dtype=torch.float64), generator)
    distance = space.distance(x, origin)
    r = torch.linspace(0, distance.max().item() + 0.1, 5001, dtype=torch.float64)
    mass = log_kernel(r, torch.full_like(r, s), dim).exp() * r.sinh() ** (dim - 1)
    cdf = torch.cumulative_trapezoid(mass, r)
    cdf = torch.cat([torch.zeros(1), cdf / cdf[-1]])
    spot = torch.searchsorted(r, distance).clamp(1, len(r) - 1)
    share = (distance - r[spot - 1]) / (r[spot] - r[spot - 1])
    levels = torch.lerp(cdf[spot - 1], cdf[spot], share)
    assert stats.kstest(levels.numpy(), "uniform").pvalue > 1e-3
    # The distribution is isotropic.
    v = space.log(origin, x) / distance[:, None]
    assert space.inner(origin, v.mean(0).expand(n, -1), v.mean(0).expand(n, -1))[0] < 30 / n


def test_the_bound_of_the_rejection_sampler_in_the_plane_holds():
    # sqrt(sinhc r) / I_0(r / 2) increases to its limit sqrt(pi / 2).
    r = torch.logspace(-4, 4, 2000, dtype=torch.float64)
    log_ratio = log_sinhc_of_root(r.square()) / 2 - torch.special.i0e(r / 2).log() - r / 2
    assert (log_ratio.diff() > -1e-12).all()
    assert log_ratio.max() < 0.5 * math.log(math.pi / 2)
    assert log_ratio[-1].item() == pytest.approx(0.5 * math.log(math.pi / 2), abs=1e-4)


@dims
def test_samples_with_own_generators_do_not_depend_on_the_batch(dim):
    space = Hyperboloid(dim)
    origin, s = space.random(9), torch.full((9,), 2.0)
    together = space.heat_kernel.sample(origin, s, sample_generators(0, range(9)))
    alone = [
        space.heat_kernel.sample(origin[i : i + 1], s[:1], sample_generators(0, [i]))
        for i in range(9)
    ]
    assert torch.equal(together, torch.cat(alone))


@dims
def test_the_poincare_ball_has_the_same_kernel(dim):
    ball = PoincareBall(dim)
    generator = torch.Generator().manual_seed(0)
    x, origin = (ball.random(9, generator, dtype=torch.float64) for _ in range(2))
    s = torch.full((9,), 0.7, dtype=torch.float64)
    x_up, origin_up = map(ball.to_hyperboloid, (x, origin))
    kernel, kernel_up = ball.heat_kernel, ball.hyperboloid.heat_kernel
    assert_close(kernel.log_density(x, origin, s), kernel_up.log_density(x_up, origin_up, s))
    pulled = ball._pulled(x, kernel_up.score(x_up, origin_up, s))
    assert_close(kernel.score(x, origin, s), pulled)
    ours, theirs = (
        law.sample(start, s, torch.Generator().manual_seed(1))
        for law, start in ((kernel, origin), (kernel_up, origin_up))
    )
    assert_close(ball.to_hyperboloid(ours), theirs)


def test_other_dimensions_are_refused_with_alternatives():
    with pytest.raises(ValueError, match=r"dimensions 2 and 3, got .*4.*random walk"):
        _ = Hyperboloid(4).heat_kernel
