"""The heat kernels of SU(2) and SU(3) against characters, quadrature and the sphere S^3."""

import itertools
import math

import mpmath
import pytest
import torch
from torch.func import grad, jvp, vjp
from torch.testing import assert_close

from ldm.randomness import sample_generators
from ldm.spaces import SpecialUnitary, Sphere
from ldm.spaces.numerics.eigenangles import eigenangles

both = pytest.mark.parametrize("n", [2, 3])
THIRD = 2 * math.pi / 3
# Eigen-angles that are equal, nearly equal, equal modulo 2 pi, and all different.
ANGLES = torch.tensor(
    [
        [0.0, 0.0, 0.0],
        [1e-7, -3e-7, 2e-7],
        [1.0, 1.0, -2.0],
        [2.0, -1.0 + 1e-9, -1.0 - 1e-9],
        [THIRD, THIRD, -2 * THIRD],
        [THIRD + 1e-3, THIRD - 4e-3, -2 * THIRD + 3e-3],
        [2 * THIRD, -THIRD, -THIRD],
        [math.pi, 0.0, -math.pi],
        [math.pi - 0.2, 0.4, -math.pi - 0.2],
        [1.5, 0.3, -1.8],
    ],
    dtype=torch.float64,
)


def at(space: SpecialUnitary, angles: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Build origins, and points at these eigen-angles from them in random eigenbases."""
    generator = torch.Generator().manual_seed(0)
    origin, basis = (space.random(len(angles), generator, dtype=torch.float64) for _ in range(2))
    basis = space.matrix(basis)
    turn = (basis * torch.polar(torch.ones_like(angles), angles)[:, None]) @ basis.mH
    return origin, space.coordinates(space.matrix(origin) @ turn, origin.dtype)


def reference(n: int, angles: torch.Tensor, s: float) -> float:
    """Compute the log density by Weyl's character formula, at enough digits for near angles."""
    with mpmath.workdps(110):
        # The formula is 0/0 at equal angles; moving them by 1e-18 does not change the density.
        apart = [mpmath.mpf(a.item()) + mpmath.mpf(10) ** -18 * k * k for k, a in enumerate(angles)]
        apart[-1] = -mpmath.fsum(apart[:-1])
        x = [mpmath.expj(a) for a in apart]
        powers = [[z**k for k in range(60)] for z in x]

        def alternant(exponents):
            return mpmath.det(mpmath.matrix([[row[k] for k in exponents] for row in powers]))

        rho = range(n - 1, -1, -1)
        below, total = alternant(rho), mpmath.mpf(0)
        for rows in itertools.product(range(30), repeat=n - 1):
            weight = [sum(rows[k:]) for k in range(n)]  # row lengths of the Young diagram
            mean = mpmath.mpf(sum(weight)) / n
            casimir = sum((w - mean) * (w - mean + 2 * (n - 1 - k)) for k, w in enumerate(weight))
            if casimir * s < 120:  # others are below exp(-60), the density above exp(-25)
                shifted = [w + r for w, r in zip(weight, rho, strict=True)]
                dimension = mpmath.mpf(1)
                for i, j in itertools.combinations(range(n), 2):
                    dimension *= mpmath.mpf(shifted[i] - shifted[j]) / (j - i)
                character = (alternant(shifted) / below).real
                total += dimension * mpmath.exp(-casimir * s / 2) * character
        return float(mpmath.log(total)) - SpecialUnitary(n).log_volume


@pytest.mark.parametrize("s", [0.7, 1.9, 2.1, 6.0])
def test_densities_are_sums_of_characters_also_at_nearly_equal_angles(s):
    space = SpecialUnitary(3)
    origin, x = at(space, ANGLES)
    density = space.heat_kernel.log_density(x, origin, torch.full_like(ANGLES[:, 0], s))
    expected = torch.tensor([reference(3, row, s) for row in ANGLES], dtype=torch.float64)
    assert_close(density, expected, atol=1e-11, rtol=0)


def test_su2_agrees_with_the_sphere_s3():
    # SU(2) is S^3 with radius sqrt(2): half the variance, and volumes larger by the cube.
    angle = torch.linspace(0, math.pi, 40, dtype=torch.float64)
    origin, x = at(SpecialUnitary(2), torch.stack([angle, -angle], 1))
    pole = torch.eye(1, 4, dtype=torch.float64).expand(40, -1)
    point = torch.stack([angle.cos(), angle.sin(), 0 * angle, 0 * angle], 1)
    for s in (1e-4, 0.1, 1.0, 1.9, 2.1, 10.0):
        s = torch.full_like(angle, s)
        expected = Sphere(3).heat_kernel.log_density(point, pole, s / 2) - 1.5 * math.log(2)
        # exp(-1e5) at the small end
        found = SpecialUnitary(2).heat_kernel.log_density(x, origin, s)
        assert_close(found, expected, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize(
    ("s", "published"), [(0.09, 0.886920), (0.36, 0.618783), (1.0, 0.263597), (2.25, 0.049787)]
)
def test_su3_densities_integrate_to_one_with_the_known_mean_trace(s, published):
    # Weyl's integration formula, by the trapezoidal rule, which is exact to rounding on the torus.
    side = 48
    a = torch.arange(side, dtype=torch.float64) * 2 * math.pi / side
    a, b = (grid.flatten() for grid in torch.meshgrid(a, a, indexing="ij"))
    x = torch.polar(torch.ones_like(a)[:, None], torch.stack([a, b, -a - b], 1))
    space = SpecialUnitary(3)
    points = space.coordinates(torch.diag_embed(x), a.dtype)
    origin = space.coordinates(torch.eye(3).expand(len(a), -1, -1) + 0j, a.dtype)
    density = space.heat_kernel.log_density(points, origin, torch.full_like(a, s)).exp()
    weyl = math.prod((x[:, i] - x[:, j]).abs().square() for i, j in ((0, 1), (0, 2), (1, 2))) / 6
    mass = density * weyl * math.exp(space.log_volume)
    assert mass.mean().item() == pytest.approx(1, abs=1e-10)
    assert (mass * x.sum(1).real / 3).mean().item() == pytest.approx(published, abs=6e-7)


@both
@pytest.mark.parametrize("s", [1e-6, 1e-2, 0.5, 1.9, 2.1, 10.0])
def test_the_score_is_the_derivative_of_the_log_density(n, s):
    space = SpecialUnitary(n)
    angles = ANGLES if n == 3 else torch.stack([ANGLES[:, 0], -ANGLES[:, 0]], 1)
    origin, x = at(space, angles)
    s = torch.full_like(angles[:, 0], s)
    score = space.heat_kernel.score(x, origin, s)
    assert_close(space.tangent(x, score), score)
    u, h = space.random_tangent(x, torch.Generator().manual_seed(1)), 1e-6 * s[0].sqrt().item()
    density = [space.heat_kernel.log_density(space.exp(x, t * u), origin, s) for t in (h, -h)]
    slope = (density[0] - density[1]) / (2 * h)
    away = (
        angles.amax(1) - angles.amin(1) < 2 * math.pi - 0.01
    )  # the density has a ridge there at small s
    scale = space.inner(x, score, score).sqrt().max().item()
    found = space.inner(x, score, u)
    assert_close(found[away], slope[away], atol=1e-6 * scale + 1e-6, rtol=1e-5)
    if s[0] > 0.1:
        assert_close(found, slope, atol=1e-5 * scale + 1e-9, rtol=1e-4)


@both
def test_densities_and_scores_agree_with_autograd(n):
    space = SpecialUnitary(n)
    x, origin = (space.random(20, torch.Generator().manual_seed(k)).double() for k in (0, 1))
    x, origin = space.project(x).requires_grad_(), space.project(origin)
    s = torch.logspace(-3, 1, 20, dtype=torch.float64)
    density = space.heat_kernel.log_density(x, origin, s)
    (gradient,) = torch.autograd.grad(density.sum(), x)
    score = space.heat_kernel.score(x.detach(), origin, s)
    assert_close(space.tangent(x, gradient), score, atol=1e-8, rtol=1e-8)


@both
@pytest.mark.parametrize("s", [0.3, 1.9, 2.1, 6.0])
def test_scores_have_derivatives_in_both_modes_also_at_equal_angles(n, s):
    space = SpecialUnitary(n)
    angles = ANGLES if n == 3 else torch.stack([ANGLES[:, 0], -ANGLES[:, 0]], 1)
    origin, x = at(space, angles)
    s, h = torch.full_like(angles[:, 0], s), 1e-3
    u, w = (space.random_tangent(x, torch.Generator().manual_seed(k)) for k in (1, 2))

    def score(x: torch.Tensor) -> torch.Tensor:
        return space.heat_kernel.score(x, origin, s)

    def central(h: float) -> torch.Tensor:
        return (score(space.exp(x, h * u)) - score(space.exp(x, -h * u))) / (2 * h)

    expected = (4 * central(h / 2) - central(h)) / 3
    _, forward = jvp(score, (x,), (u,))
    assert_close(forward, expected, atol=1e-6, rtol=1e-6)
    (gradient,) = vjp(score, x)[1](w)
    assert_close(space.inner(x, gradient, u), space.inner(x, forward, w), atol=1e-11, rtol=1e-11)
    # The Hessian of the log kernel is symmetric.
    _, other = jvp(score, (x,), (w,))
    assert_close(space.inner(x, other, u), space.inner(x, forward, w), atol=1e-9, rtol=1e-9)


def test_unsupported_second_derivatives_are_refused():
    space = SpecialUnitary(3)
    x, origin = (space.random(2, torch.Generator().manual_seed(k)).double() for k in (0, 1))
    s = torch.ones(2, dtype=torch.float64)

    def slope(x: torch.Tensor) -> torch.Tensor:
        return grad(lambda x: space.heat_kernel.log_density(x, origin, s).sum())(x)

    for twice in (lambda: jvp(slope, (x,), (x,)), lambda: vjp(slope, x)[1](x)):
        with pytest.raises(NotImplementedError, match="differentiate its score once"):
            twice()


@both
def test_infinite_variance_gives_the_uniform_distribution(n):
    space = SpecialUnitary(n)
    x, origin = (space.random(9, torch.Generator().manual_seed(k)) for k in (0, 1))
    s = torch.full((9,), torch.inf)
    kernel = space.heat_kernel
    assert_close(kernel.log_density(x, origin, s), torch.full((9,), -space.log_volume))
    assert (kernel.score(x, origin, s) == 0).all()
    space.check(kernel.sample(origin, s, torch.Generator().manual_seed(2)))


@both
@pytest.mark.parametrize("s", [0.05, 0.6, 1.4, 1.6, 4.0])
def test_samples_have_the_expected_characters(n, s):
    count, space = 2000, SpecialUnitary(n)
    origin = space.random(1, torch.Generator().manual_seed(1), dtype=torch.float64)
    origin = origin.expand(count, -1, -1, -1)
    x = space.heat_kernel.sample(
        origin, torch.full((count,), s, dtype=torch.float64), torch.Generator().manual_seed(0)
    )
    space.check(x)
    angles, _ = eigenangles(space.difference(origin, x))
    trace = torch.polar(torch.ones_like(angles), angles).sum(1)
    # The fundamental, adjoint and symmetric-square representations.
    twice = torch.polar(torch.ones_like(angles), 2 * angles).sum(1)
    pairs, size = ((trace.square() + twice) / 2).real, n * (n + 1) / 2
    for character, dimension, casimir in (
        (trace.real, n, (n * n - 1) / n),
        (trace.abs().square() - 1, n * n - 1, 2 * n),
        (pairs, size, 2 * (n - 1) * (n + 2) / n),
    ):
        error = character.std().item() / math.sqrt(count)
        expected = dimension * math.exp(-casimir * s / 2)
        assert character.mean().item() == pytest.approx(expected, abs=4 * error)


@both
def test_acceptance_probabilities_of_normal_steps_are_at_most_one(n):
    kernel = SpecialUnitary(n).heat_kernel
    for s in (0.01, 0.5, 1.5):
        s = torch.full((2000,), s, dtype=torch.float64)
        _, log_chance = kernel._steps(s, torch.Generator().manual_seed(0))
        assert log_chance.max() <= 1e-12
        # The mean acceptance probability is the inverse of the factor exp(|rho|^2 s / 2).
        kept = (-n * (n * n - 1) / 24 * s[0]).exp()
        assert_close(log_chance.exp().mean(), kept, atol=0.05, rtol=0)


def test_samples_with_own_generators_do_not_depend_on_the_batch():
    space = SpecialUnitary(3)
    origin, s = space.random(6), torch.tensor([0.1, 1.0, 1.4, 1.6, 2.0, 5.0])
    together = space.heat_kernel.sample(origin, s, sample_generators(0, range(6)))
    alone = [
        space.heat_kernel.sample(origin[i : i + 1], s[i : i + 1], sample_generators(0, [i]))
        for i in range(6)
    ]
    assert_close(together, torch.cat(alone))


def test_densities_and_scores_in_single_precision_are_finite_for_extreme_variances():
    origin, x = at(SpecialUnitary(3), ANGLES)
    for s in (1e-8, 1e8):
        s = torch.full((len(x),), s)
        kernel = SpecialUnitary(3).heat_kernel
        assert kernel.log_density(x.float(), origin.float(), s).isfinite().all()
        assert kernel.score(x.float(), origin.float(), s).isfinite().all()
    uniform = kernel.log_density(x, origin, s.double())
    assert_close(uniform, torch.full_like(uniform, -SpecialUnitary(3).log_volume))


def test_nonpositive_variances_and_larger_groups_are_refused():
    space = SpecialUnitary(3)
    for s in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="variances must be positive"):
            space.heat_kernel.sample(space.random(1), torch.tensor([s]))
    with pytest.raises(ValueError, match=r"heat kernel of SpecialUnitary\(4\) is not known"):
        _ = SpecialUnitary(4).heat_kernel
