"""Divergences of fields whose divergence is known, however they go on off the space."""

import pytest
import torch
from torch.func import jvp
from torch.testing import assert_close

from ldm.spaces import Flat, Hyperboloid, PoincareBall, Power, Product, Rotations, Sphere, Torus
from ldm.spaces.divergence import divergence, hutchinson_divergence

A = torch.randn(14, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def points(space, n: int = 5) -> torch.Tensor:
    return space.random(n, torch.Generator().manual_seed(1), dtype=torch.float64)


def height(x: torch.Tensor) -> torch.Tensor:
    """A linear function of points, of ambient gradient `A`."""
    return (x * A[: x.shape[1]]).sum(1)


def gradient(space, x: torch.Tensor) -> torch.Tensor:
    return space.gradient(x, A[: x.shape[1]].expand_as(x))


# The last is many directions, done in one go.
@pytest.mark.parametrize("dim", [1, 2, 3, 12])
def test_on_spheres_linear_functions_have_eigenvalue_d(dim):
    sphere = Sphere(dim)
    x = points(sphere)
    value, div = divergence(sphere, lambda x: gradient(sphere, x), x)
    assert_close(div, -dim * height(x))
    assert_close(value, gradient(sphere, x))


@pytest.mark.parametrize(
    "beyond",
    [
        lambda x: A[:3] - x * height(x)[:, None],  # tangent on the sphere only
        lambda x: gradient(Sphere(2), x) * x.square().sum(1, keepdim=True) ** 3,
        lambda x: gradient(Sphere(2), x) + x.square().sum(1, keepdim=True) - 1,
    ],
)
def test_it_does_not_matter_how_a_field_goes_on_off_the_sphere(beyond):
    x = points(Sphere(2))
    assert_close(divergence(Sphere(2), beyond, x)[1], -2 * height(x))


def test_rotating_the_sphere_keeps_volumes():
    spin = torch.tensor([[0.0, -1, 2], [1, 0, -3], [-2, 3, 0]], dtype=torch.float64)
    div = divergence(Sphere(2), lambda x: x @ spin.T, points(Sphere(2)))[1]
    assert_close(div, torch.zeros_like(div))


def test_on_tori_it_is_the_sum_of_partial_derivatives():
    x = points(Torus(3))
    div = divergence(Torus(3), lambda x: x.sin() + x.roll(1, 1).cos(), x)[1]
    assert_close(div, x.cos().sum(1))


@pytest.mark.parametrize("dim", [3, 12])
def test_on_flat_space_it_is_the_trace(dim):
    matrix = torch.randn(dim, dim, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    div = divergence(Flat([dim]), lambda x: x @ matrix.T, points(Flat([dim])))[1]
    assert_close(div, matrix.trace().expand(5))


def test_on_rotations_the_trace_has_eigenvalue_2_and_turning_all_keeps_volumes():
    rotations = Rotations()
    x = points(rotations)
    eye = torch.eye(3, dtype=x.dtype).expand_as(x)
    div = divergence(rotations, lambda x: rotations.gradient(x, eye), x)[1]
    assert_close(div, -2 * x.diagonal(dim1=1, dim2=2).sum(1))
    spin = torch.tensor([[0.0, -1, 2], [1, 0, -3], [-2, 3, 0]], dtype=x.dtype)
    div = divergence(rotations, lambda x: x @ spin, x)[1]
    assert_close(div, torch.zeros_like(div))


def test_on_the_hyperboloid_linear_functions_have_eigenvalue_minus_d():
    space = Hyperboloid(3)
    y = points(space)
    assert_close(divergence(space, lambda y: gradient(space, y), y)[1], 3 * height(y))


def test_the_ball_agrees_with_the_hyperboloid_although_it_is_not_isometric():
    ball = PoincareBall(2)
    x, space = points(ball), ball.hyperboloid
    y = ball.to_hyperboloid(x)

    def curved(y: torch.Tensor) -> torch.Tensor:
        return space.tangent(y, torch.stack([y[:, 1].sin(), y[:, 0], y[:, 1] * y[:, 2]], 1))

    def pulled(x: torch.Tensor) -> torch.Tensor:
        y = ball.to_hyperboloid(x)
        return jvp(ball.from_hyperboloid, (y,), (curved(y),))[1]

    expected = divergence(space, curved, y)[1]
    assert_close(divergence(ball, pulled, x)[1], expected)
    assert expected.abs().min() > 1e-3


def test_parts_of_a_product_add_up():
    parts = [Sphere(2), Power(Sphere(1), 2), Flat([2])]
    space = Product(parts)
    x, mix = points(space), torch.linspace(-1, 1, 9, dtype=torch.float64)

    def field(x: torch.Tensor) -> torch.Tensor:
        return space.tangent(x, mix * x.roll(1, 1))

    # The tangent projection of spheres is tangent off them too, so the ambient trace will do.
    jacobian = torch.vmap(torch.func.jacfwd(lambda x: field(x[None])[0]))(x)
    expected = jacobian.diagonal(dim1=1, dim2=2).sum(1)
    assert_close(divergence(space, field, x)[1], expected)


@pytest.mark.parametrize("space", [Sphere(2), Torus(2), PoincareBall(2)], ids=repr)
def test_random_probes_give_the_divergence_in_the_mean(space):
    n, generator = 4000, torch.Generator().manual_seed(4)
    x = points(space, 1).expand(n, -1)
    weight = torch.randn(x.shape[1], x.shape[1], generator=generator, dtype=x.dtype)

    def field(x: torch.Tensor) -> torch.Tensor:
        return space.tangent(x, (x @ weight).sin())

    value, found = hutchinson_divergence(space, field, x, space.random_tangent(x, generator))
    expected_value, expected = divergence(space, field, x[:1])
    assert_close(value[:1], expected_value)
    error = found.std().item() / n**0.5
    assert found.mean().item() == pytest.approx(expected.item(), abs=4 * error)


def test_fields_are_learned_through_it():
    weight = A[:3].clone().requires_grad_()
    x = points(Sphere(2))
    field = lambda x: Sphere(2).tangent(x, weight.expand_as(x))  # noqa: E731
    divergence(Sphere(2), field, x)[1].sum().backward()
    assert_close(weight.grad, -2 * x.sum(0))
