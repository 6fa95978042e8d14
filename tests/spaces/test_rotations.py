"""Rotations against scipy and geomstats, and the two ends where naive formulas fail."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from independent import geomstats
from scipy import stats
from scipy.spatial.transform import Rotation
from torch.func import jacfwd, jacrev, vmap
from torch.testing import assert_close

from ldm.spaces import Rotations, WrappedNormal
from ldm.spaces.numerics.quaternions import quaternion, rotation

space = Rotations()
one = torch.eye(3, dtype=torch.float64)[None]


def vectors(seed: int, n: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, generator=generator, dtype=torch.float64)


def points(seed: int, n: int = 4) -> torch.Tensor:
    return space.random(n, torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), scale=st.floats(1e-12, 10))
def test_exp_and_log_are_scipys_rotation_vectors(seed, scale):
    c = scale * vectors(seed)
    x = space.exp(one.expand(4, -1, -1), space.frame(one.expand(4, -1, -1), c))
    theirs = Rotation.from_rotvec(c.numpy())
    assert_close(x, torch.from_numpy(theirs.as_matrix()), atol=1e-14, rtol=0)
    log = space.log(one.expand(4, -1, -1), x)
    rotvec = torch.from_numpy(theirs.as_rotvec())
    assert_close(log, space.frame(one.expand(4, -1, -1), rotvec), atol=1e-13 * scale, rtol=1e-13)
    assert_close(space.distance(one.expand(4, -1, -1), x), rotvec.norm(dim=1))


def test_geodesics_and_transport_are_those_of_geomstats():
    geomstats()
    from geomstats.geometry.special_orthogonal import SpecialOrthogonal

    metric = SpecialOrthogonal(n=3).metric
    x, y = points(0), points(1)
    v = 0.5 * space.random_tangent(x, torch.Generator().manual_seed(2))
    assert_close(space.exp(x, v), metric.exp(v, x))
    assert_close(space.log(x, y), metric.log(y, x), atol=1e-6, rtol=0)  # theirs rounds
    assert_close(space.distance(x, y), metric.dist(x, y), atol=1e-6, rtol=0)
    assert_close(space.inner(x, v, v), metric.squared_norm(v, x))
    theirs = metric.parallel_transport(v, x, end_point=y)
    assert_close(space.transport(x, y, v), theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@settings(max_examples=20, deadline=None)
@given(exponent=st.floats(-15, -1), seed=st.integers(0, 2**31))
def test_small_angles_keep_their_digits(dtype, exponent, seed):
    x = torch.eye(3, dtype=dtype)[None].expand(4, -1, -1)
    v = space.frame(x, (10**exponent * vectors(seed)).to(dtype))
    y = space.exp(x, v)
    rtol = 16 * torch.finfo(dtype).eps
    length = space.inner(x, v, v).sqrt()
    assert_close(space.log(x, y), v, rtol=rtol, atol=rtol * length.max().item())
    assert_close(space.distance(x, y), length, rtol=rtol, atol=0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), exponent=st.floats(-20, -1))
def test_near_half_a_turn_log_arrives(seed, exponent):
    axis, gap = vectors(seed), 10**exponent
    axis = axis / axis.norm(dim=1, keepdim=True)
    x = points(seed)
    y = space.exp(x, space.frame(x, (math.pi - gap) * axis))
    log = space.log(x, y)
    assert_close(space.exp(x, log), y, atol=1e-14, rtol=0)
    assert_close(
        space.distance(x, y), torch.full_like(x[:, 0, 0], math.pi - gap), atol=1e-14, rtol=0
    )


@pytest.mark.parametrize("axis", range(3))
def test_half_a_turn_has_one_of_two_axes(axis):
    y = torch.full((3,), -1.0).index_fill(0, torch.tensor(axis), 1).diag()[None]
    log = space.log(torch.eye(3)[None], y)
    expected = torch.zeros(1, 3).index_fill(1, torch.tensor(axis), math.pi)
    assert_close(log, space.frame(torch.eye(3)[None], expected), atol=1e-6, rtol=0)


def test_quaternions_and_matrices_are_scipys():
    q = torch.randn(100, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    q = q / q.norm(dim=1, keepdim=True) * q[:, :1].sign()
    assert_close(rotation(q), torch.from_numpy(Rotation.from_quat(q[:, [1, 2, 3, 0]]).as_matrix()))
    assert_close(quaternion(rotation(q)), q)


def test_random_rotations_are_haars():
    x = points(0, n=5000)
    angle = space.distance(one.expand(5000, -1, -1), x).numpy()
    # The volume of the ball of radius r is proportional to r - sin r.
    assert stats.kstest(angle, lambda r: (r - np.sin(r)) / math.pi).pvalue > 0.01
    for entry in x.flatten(1).unbind(1):  # a coordinate of a uniform direction
        assert stats.kstest(entry.numpy(), stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_a_long_walk_stays_on_the_group():
    x, generator = space.random(8, torch.Generator().manual_seed(0)), torch.Generator()
    for _ in range(300):
        x = space.exp(x, 0.1 * space.random_tangent(x, generator))
    assert_close(x.mT @ x, torch.eye(3).expand(8, -1, -1), atol=1e-6, rtol=0)


def test_projection_is_scipys_procrustes():
    m = torch.randn(20, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for one_m, nearest in zip(m, space.project(m), strict=True):
        # The rotation that best takes the unit vectors to the columns.
        theirs, _ = Rotation.align_vectors(one_m.mT.numpy(), torch.eye(3).numpy())
        assert_close(nearest, torch.from_numpy(theirs.as_matrix()))


def test_projection_can_be_differentiated_twice():
    m = torch.randn(3, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    m.requires_grad_()
    assert torch.autograd.gradcheck(space.project, m, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(space.project, m)


def test_projection_can_be_differentiated_where_singular_values_are_equal():
    m = (3 * points(0)).requires_grad_()
    assert torch.autograd.gradcheck(space.project, m)
    # The differential there is the projection on the tangent space, over the scale.
    d = torch.randn(4, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (gradient,) = torch.autograd.grad(space.project(m), m, d)
    assert_close(gradient, space.tangent(points(0), d) / 3)
    zero = torch.zeros(1, 3, 3, requires_grad=True)
    space.project(zero).sum().backward()
    assert zero.grad.isfinite().all()


def test_function_transforms_pass_through_projection():
    m = torch.randn(4, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def project(m):
        return space.project(m[None])[0]

    assert_close(vmap(jacrev(project))(m), vmap(jacfwd(project))(m))


def test_gradients_of_log_are_right_at_every_angle():
    x, y = points(0), points(1)
    y[0], y[1] = (
        x[0],
        space.exp(x, space.frame(x, 3.1 * torch.eye(3, dtype=x.dtype)[[0, 1, 2, 0]]))[1],
    )

    def between(m):  # a function of any matrix, by way of the group
        return space.log(x, space.project(m))

    assert torch.autograd.gradcheck(between, y.requires_grad_())


def test_a_reflection_is_refused():
    with pytest.raises(ValueError, match=r"off Rotations\(\) by up to 2"):
        space.check(torch.diag(torch.tensor([1.0, 1.0, -1.0]))[None])


def test_gradients_of_projection_are_finite_where_there_are_none():
    degenerate = torch.stack([torch.zeros(3, 3), -torch.eye(3), torch.tensor([2.0, 1, -1]).diag()])
    x = degenerate.requires_grad_()
    space.project(x).sum().backward()
    assert x.grad.isfinite().all()


def test_a_wrapped_normal_has_no_slope_at_its_mean():
    x = torch.eye(3)[None].requires_grad_()
    WrappedNormal(space, torch.eye(3), 0.3).log_density(x).sum().backward()
    assert_close(space.tangent(x.detach(), x.grad), torch.zeros(1, 3, 3), atol=1e-5, rtol=0)
