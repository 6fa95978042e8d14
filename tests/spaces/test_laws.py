"""Laws of geometry that every space obeys, for all points, in float64."""

import pytest
import torch
from every_space import (
    COUNT,
    FEW,
    ambient,
    basis,
    close,
    directions,
    embedded,
    every,
    law,
    points,
    products,
    rows,
    seeds,
    smooth,
    up_to,
)
from hypothesis import given
from hypothesis import strategies as st

from ldm.spaces import (
    ProjectiveSpace,
)


@every
@law
@given(seed=seeds)
def test_log_leads_from_one_point_to_another(space, seed):
    x, y, _ = points(space, seed)
    arrived = space.exp(x, space.log(x, y))
    # Not by coordinates: x and -x may be one point, and angles a turn apart.
    close(space.log(arrived, y), torch.zeros_like(y))


@smooth
@law
@given(seed=seeds, length=st.floats(0, 3.1))
def test_log_undoes_exp_within_the_injectivity_radius(space, seed, length):
    x, _, _ = points(space, seed)
    v = space.tangent(x, ambient(space, seed))
    if isinstance(space, ProjectiveSpace):
        length = length / 2
    v = rows(up_to(length) / space.inner(x, v, v).sqrt(), v)
    close(space.log(x, space.exp(x, v)), v)


@every
@law
@given(seed=seeds)
def test_distance_is_a_metric_and_the_length_of_log(space, seed):
    x, y, z = points(space, seed)
    log = space.log(x, y)
    close(space.distance(x, y), space.inner(x, log, log).sqrt())
    close(space.distance(x, y), space.distance(y, x))
    close(space.distance(x, x), torch.zeros(COUNT, dtype=torch.float64))
    assert (space.distance(x, z) <= space.distance(x, y) + space.distance(y, z) + 1e-12).all()


@smooth
@law
@given(seed=seeds)
def test_transport_is_an_isometry_that_keeps_the_geodesic(space, seed):
    x, y, _ = points(space, seed)
    u, v = (space.random_tangent(x, torch.Generator().manual_seed(seed + k)) for k in (1, 2))
    moved_u, moved_v = space.transport(x, y, u), space.transport(x, y, v)
    close(space.inner(y, moved_u, moved_v), space.inner(x, u, v), atol=1e-9)
    close(space.tangent(y, moved_u), moved_u, atol=1e-9)
    close(space.transport(x, y, space.log(x, y)), -space.log(y, x), atol=1e-9)
    close(space.transport(y, x, moved_u), u, atol=1e-9)


@every
@law
@given(seed=seeds)
def test_frames_are_orthonormal(space, seed):
    x = points(space, seed)[0][:FEW]
    xs, axes = basis(space, x)
    close(space.tangent(xs, axes), axes)
    eye = torch.eye(directions(space), dtype=x.dtype)
    close(products(space, x, axes, axes), eye.repeat(FEW, 1, 1))


@every
@law
@given(seed=seeds)
def test_points_pass_their_own_check(space, seed):
    space.check(points(space, seed)[0])
    with pytest.raises(ValueError, match="finite"):
        space.check(points(space, seed)[0] * torch.nan)


@smooth
@law
@given(seed=seeds, t=st.floats(0, 1))
def test_geodesics_run_at_constant_speed(space, seed, t):
    x, y, _ = points(space, seed)
    t = up_to(t)
    between = space.exp(x, rows(t, space.log(x, y)))
    close(space.distance(x, between), t * space.distance(x, y))
    close(space.distance(between, y), (1 - t) * space.distance(x, y))


@every
@law
@given(seed=seeds)
def test_tangent_is_an_orthogonal_projection(space, seed):
    x, _, _ = points(space, seed)
    u, v = ambient(space, seed), ambient(space, seed + 1)
    tangent_u, tangent_v = space.tangent(x, u), space.tangent(x, v)
    close(space.tangent(x, tangent_u), tangent_u)
    # Idempotent and symmetric: orthogonal.
    close(space.inner(x, tangent_u, v), space.inner(x, u, tangent_v))


@every
@law
@given(seed=seeds)
def test_logs_are_tangent(space, seed):
    x, y, _ = points(space, seed)
    log = space.log(x, y)
    close(space.tangent(x, log), log)


@every
@law
@given(seed=seeds)
def test_project_is_idempotent_and_random_points_and_steps_are_fixed_by_it(space, seed):
    x, _, _ = points(space, seed)
    projected = space.project(ambient(space, seed))
    close(space.project(projected), projected)
    close(space.project(x), x)
    step = space.exp(x, space.tangent(x, ambient(space, seed)))
    close(space.project(step), step)


@embedded
@law
@given(seed=seeds)
def test_project_finds_the_nearest_point(space, seed):
    x, _, _ = points(space, seed)
    far = ambient(space, seed)
    nearest = (space.project(far) - far).flatten(1).norm(dim=1)
    assert (nearest <= (x - far).flatten(1).norm(dim=1) + 1e-12).all()
