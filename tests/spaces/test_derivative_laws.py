"""Derivatives of exp, log and distance on every smooth space, in float64."""

import pytest
import torch
from every_space import (
    FEW,
    SMOOTH,
    ambient,
    basis,
    close,
    directions,
    law,
    points,
    products,
    seeds,
    smooth,
)
from hypothesis import given
from torch.func import jvp


@smooth
def test_gradients_are_finite_where_two_points_meet(space):
    x, _, _ = points(space, 0)
    y = x.clone().requires_grad_()
    (space.log(x, y).sum() + space.distance(x, y).sum()).backward()
    assert y.grad.isfinite().all()
    v = torch.zeros_like(x, requires_grad=True)
    space.exp(x, v).sum().backward()
    assert v.grad.isfinite().all()


@smooth
@law
@given(seed=seeds)
def test_the_differential_of_exp_at_zero_is_the_identity(space, seed):
    x, _, _ = points(space, seed)
    v = space.tangent(x, ambient(space, seed))
    close(jvp(lambda v: space.exp(x, v), (torch.zeros_like(v),), (v,))[1], v)


@smooth
@law
@given(seed=seeds)
def test_the_differential_of_log_where_two_points_meet_is_the_identity(space, seed):
    x, _, _ = points(space, seed)
    v = space.random_tangent(x, torch.Generator().manual_seed(seed))
    close(jvp(lambda y: space.log(x, y), (x,), (v,))[1], v)
    # Of the velocity to a fixed point at that point: minus the identity.
    close(space.tangent(x, jvp(lambda y: space.log(y, x), (x,), (v,))[1]), -v)


@smooth
@law
@given(seed=seeds)
def test_gradients_stand_for_derivatives(space, seed):
    x, _, _ = points(space, seed)
    euclidean = ambient(space, seed)
    v = space.tangent(x, ambient(space, seed + 1))
    gradient = space.gradient(x, euclidean)
    close(space.tangent(x, gradient), gradient)
    close(space.inner(x, gradient, v), (euclidean * v).flatten(1).sum(1))


@smooth
@law
@given(seed=seeds)
def test_the_jacobian_of_exp_is_its_determinant_between_frames(space, seed):
    x = points(space, seed)[0][:FEW]
    v = space.random_tangent(x, torch.Generator().manual_seed(seed))
    xs, axes = basis(space, x)
    vs = v.repeat_interleave(directions(space), 0)
    _, images = jvp(lambda v: space.exp(xs, v), (vs,), (axes,))
    y = space.exp(x, v)
    matrix = products(space, y, basis(space, y)[1], images)
    close(space.log_exp_jacobian(x, v), torch.linalg.slogdet(matrix)[1], atol=1e-9)


charts = [space for space in SMOOTH if space.shape == (space.dim,)]


@pytest.mark.parametrize("space", charts, ids=repr)
@law
@given(seed=seeds)
def test_the_volume_element_is_that_of_the_metric_in_coordinates(space, seed):
    x = points(space, seed)[0][:FEW]
    axes = torch.eye(space.dim, dtype=x.dtype).repeat(FEW, 1)
    metric = products(space, x, axes, axes)
    close(space.log_volume_element(x), torch.linalg.slogdet(metric)[1] / 2, atol=1e-10)
