"""Affine-invariant geometry against closed forms, congruences, volumes, and other libraries."""

import math

import geoopt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from independent import geomstats
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close

from ldm.spaces import SPD
from ldm.spaces.divergence import divergence
from ldm.spaces.numerics.symmetric import (
    symmetric_clamp,
    symmetric_exp,
    symmetric_log,
    symmetric_sqrt,
)


def draw(n: int = 3, count: int = 20, scale: float = 0.7, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [SPD(n, scale).random(count, generator, dtype=torch.float64) for _ in range(2)]


def test_triangles_are_read_row_by_row():
    space = SPD(3)
    x = torch.arange(6.0)[None]
    expected = torch.tensor([[[0.0, 1, 2], [1, 3, 4], [2, 4, 5]]])
    assert torch.equal(space.matrix(x), expected)
    assert torch.equal(space.triangle(expected), x)


def test_commuting_matrices_are_at_the_distance_of_their_logarithms():
    space = SPD(2)
    x, y = torch.tensor([[2.0, 0.0, 3.0]]), torch.tensor([[5.0, 0.0, 0.5]])
    expected = math.hypot(math.log(5 / 2), math.log(0.5 / 3))
    assert space.distance(x, y).item() == pytest.approx(expected, rel=1e-6)
    mean = space.exp(x, 0.5 * space.log(x, y))
    assert_close(mean, (x * y).sqrt())  # the geometric mean is half way


@pytest.mark.parametrize("condition", [1e6, 1e9, 1e12])
def test_distances_of_ill_conditioned_matrices_lose_no_more_than_rounding_them_does(condition):
    space, spread = SPD(3), math.log(condition)
    axes = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).double()).Q
    logs = torch.tensor([0.0, 0.3, spread], dtype=torch.float64)
    for other in (-logs, logs.flip(0), torch.zeros(3).double()):
        x, y = (space.triangle((axes * v.exp()) @ axes.T)[None] for v in (logs, other))
        expected = (other - logs).norm().item()
        assert space.distance(x, y).item() == pytest.approx(expected, abs=1e-16 * condition)


@given(seed=st.integers(0, 2**31))
def test_congruences_and_inversion_are_isometries(seed):
    x, y = draw(seed=seed, count=4)
    generator = torch.Generator().manual_seed(seed)
    a = torch.eye(3) + 0.3 * torch.randn(3, 3, generator=generator, dtype=torch.float64)
    space = SPD(3)
    moved = [space.triangle(a @ space.matrix(z) @ a.mT) for z in (x, y)]
    assert_close(space.distance(*moved), space.distance(x, y), atol=1e-8, rtol=1e-8)
    inverses = [space.triangle(torch.linalg.inv(space.matrix(z))) for z in (x, y)]
    assert_close(space.distance(*inverses), space.distance(x, y), atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("scale", [0.4, 1.0])
def test_the_reference_density_integrates_to_one_against_the_volume(scale):
    # Over P = [[a, b], [b, c]]: of variables log a, log c and b / sqrt(ac) in (-1, 1).
    axis = torch.linspace(-9 * scale, 9 * scale, 121, dtype=torch.float64)
    slope = torch.linspace(-9 * scale, 9 * scale, 121, dtype=torch.float64)
    u, v, w = torch.meshgrid(axis, axis, slope, indexing="ij")
    a, c, b = u.exp(), v.exp(), w.tanh() * ((u + v) / 2).exp()
    x = torch.stack([a, b, c], -1).view(-1, 3)
    log_jacobian = u + v + (u + v) / 2 - 2 * w.cosh().log()
    space = SPD(2, scale)
    log_mass = space.log_density(x) + space.log_volume_element(x) + log_jacobian.flatten()
    cell = (axis[1] - axis[0]) ** 2 * (slope[1] - slope[0])
    assert (log_mass.exp().sum() * cell).item() == pytest.approx(1, abs=1e-4)


def test_reference_points_have_normal_logs_at_the_identity():
    space = SPD(2, scale=0.6)
    x = space.random(20_000, torch.Generator().manual_seed(0), dtype=torch.float64)
    identity = torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64).expand_as(x)
    c = space.log(identity, x) * torch.tensor([1.0, math.sqrt(2), 1.0]) / 0.6
    assert_close(c.T @ c / len(c), torch.eye(3).double(), atol=0.04, rtol=0)


def test_the_divergence_of_the_way_from_the_identity():
    # Laplacian(r^2 / 2) = dim + r d/dr log of the Jacobian of exp, here with half differences h.
    space = SPD(3)
    x, _ = draw(count=5)
    identity = space.triangle(torch.eye(3).double())[None].expand_as(x)
    values = torch.linalg.eigvalsh(space.matrix(x)).log()
    h = torch.stack([values[:, i] - values[:, j] for i, j in ((0, 1), (0, 2), (1, 2))], 1).abs() / 2
    expected = 6 + (h / h.tanh() - 1).sum(1)
    _, got = divergence(space, lambda x: -space.log(x, identity), x)
    assert_close(got, expected, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("n", [1, 3])
def test_projections_are_the_nearest_in_frobenius_norm_and_positive(n):
    space = SPD(n)
    generator = torch.Generator().manual_seed(0)
    far = torch.randn(50, space.dim, generator=generator)
    x = space.project(far)
    assert torch.linalg.cholesky_ex(space.matrix(x))[1].eq(0).all()
    other = space.random(50, generator)
    gaps = [space.matrix((z - far).double()).square().sum((1, 2)) for z in (x, other)]
    assert (gaps[0] <= gaps[1] + 1e-6).all()
    zero = space.project(torch.zeros(1, space.dim))
    assert torch.linalg.cholesky_ex(space.matrix(zero))[1].eq(0).all()


def test_single_precision_steps_of_any_size_stay_positive_definite():
    space = SPD(3)
    generator = torch.Generator().manual_seed(0)
    x = space.random(100, generator)
    for _ in range(5):
        x = space.exp(x, 3 * space.random_tangent(x, generator))
        assert torch.linalg.cholesky_ex(space.matrix(x))[1].eq(0).all()


FUNCTIONS = [
    symmetric_exp,
    symmetric_log,
    symmetric_sqrt,
    lambda a: symmetric_clamp(a, 1e-12),
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=["exp", "log", "sqrt", "clamp"])
def test_functions_of_matrices_have_their_derivatives_of_both_modes(function):
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(2, 3, 3, generator=generator, dtype=torch.float64)
    clamp = function is FUNCTIONS[-1]
    a = (a + a.mT if clamp else a @ a.mT + 0.3 * torch.eye(3)).requires_grad_()
    assert not clamp or torch.linalg.eigvalsh(a).min() < 0

    def symmetric(a):
        return function((a + a.mT) / 2)

    assert gradcheck(symmetric, a, check_forward_ad=True)
    assert gradgradcheck(symmetric, a)


@pytest.mark.parametrize("function", FUNCTIONS, ids=["exp", "log", "sqrt", "clamp"])
def test_derivatives_are_finite_at_equal_and_nearly_equal_eigenvalues(function):
    for a in (torch.eye(3), torch.eye(3) + 1e-9 * torch.diag(torch.tensor([0.0, 1, 3]))):
        a = (2 * a).double().requires_grad_()
        function(a).sum().backward()
        # A multiple of the identity: the derivative is f'(2) times the symmetric direction.
        slope = {0: math.exp(2), 1: 0.5, 2: 0.5 / math.sqrt(2), 3: 1.0}[FUNCTIONS.index(function)]
        assert_close(a.grad, torch.full((3, 3), slope).double(), atol=1e-7, rtol=1e-7)


def test_geoopt_agrees():
    (x, y), space = draw(), SPD(3)
    theirs = geoopt.SymmetricPositiveDefinite()
    v = space.random_tangent(x, torch.Generator().manual_seed(0))
    p, q, w = map(space.matrix, (x, y, v))
    assert_close(space.distance(x, y), theirs.dist(p, q))
    assert_close(space.matrix(space.exp(x, v)), theirs.expmap(p, w), atol=1e-6, rtol=1e-6)
    assert_close(space.matrix(space.log(x, y)), theirs.logmap(p, q), atol=1e-6, rtol=1e-6)
    assert_close(space.inner(x, v, v), theirs.inner(p, w, w))


def test_geomstats_agrees_on_transport():
    geomstats()
    from geomstats.geometry.spd_matrices import SPDMatrices

    (x, y), space, theirs = draw(), SPD(3), SPDMatrices(3).metric
    v = space.random_tangent(x, torch.Generator().manual_seed(0))
    p, q, w = map(space.matrix, (x, y, v))
    expected = theirs.parallel_transport(w, p, end_point=q)
    assert_close(space.matrix(space.transport(x, y, v)), expected, atol=1e-6, rtol=1e-6)


def test_no_rows_or_no_scale_is_refused():
    with pytest.raises(ValueError, match=r"got 0 and 1\.0"):
        SPD(0)
    with pytest.raises(ValueError, match="got 2 and -1"):
        SPD(2, scale=-1)


@pytest.mark.parametrize("x", [[1.0, 1.0, 1.0], [1e-3, 2e-3, 1e-3], [0.0, 0.0, 0.0]])
def test_matrices_that_are_not_positive_definite_are_refused(x):
    with pytest.raises(ValueError, match="must be positive definite"):
        SPD(2).check(torch.tensor([x]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_projected_passes(dtype):
    generator = torch.Generator().manual_seed(0)
    anything = torch.randn(500, 6, generator=generator, dtype=dtype)
    with pytest.raises(ValueError, match="SPD"):
        SPD(3).check(anything)
    projected = SPD(3).project(anything)
    SPD(3).check(projected)
    assert (torch.linalg.eigvalsh(SPD(3).matrix(projected.double())) > 0).all()
