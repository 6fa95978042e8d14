"""Heads are tangent, equal the sums of their fields, and span the tangent space."""

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from ldm.networks.points.fields import (
    DivergenceFree,
    Eigen,
    LieAlgebra,
    TorusField,
    su_basis,
)
from ldm.spaces import Power, Sphere


class Constant(nn.Module):
    """A backbone whose outputs are the same at every point, times `scale`."""

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.values = values

    def forward(self, x: Tensor, t: Tensor, scale: float = 1.0) -> Tensor:
        return scale * self.values.expand(len(x), *self.values.shape)


def normal(*shape: int) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(shape, dtype=torch.float64)


def apply(head: type, values: Tensor, x: Tensor, *arguments, **condition) -> Tensor:
    return head(Constant(values), *arguments).double()(x, torch.zeros(len(x)).double(), **condition)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_divergence_free_fields_are_tangent_and_span_the_tangent_space(dim):
    f, x = normal(dim * (dim + 1) // 2), normal(4, dim + 1)  # x need not lie on the sphere
    got, expected, k = apply(DivergenceFree, f, x, dim), torch.zeros_like(x), 0
    for i in range(dim + 1):
        for j in range(i + 1, dim + 1):
            expected[:, j] += f[k] * x[:, i]
            expected[:, i] -= f[k] * x[:, j]
            k += 1
    assert_close(got, expected)
    assert_close((x * got).sum(1), torch.zeros(4).double())
    fields = torch.stack([apply(DivergenceFree, axis, x, dim) for axis in torch.eye(k).double()])
    assert (torch.linalg.matrix_rank(fields.movedim(0, 2)) == dim).all()


def test_divergence_of_the_head_is_that_of_its_coefficients_along_the_fields():
    class Net(nn.Module):
        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            return torch.stack([x[:, 0] * x[:, 2], x[:, 1].sin(), x[:, 2]], 1)

    x = normal(1, 3)
    net, t = Net(), torch.zeros(1).double()

    def divergence(head: nn.Module) -> Tensor:
        return torch.func.jacrev(lambda x: head(x[None], t)[0])(x[0]).trace()

    assert abs(divergence(DivergenceFree(Constant(normal(3)), 2))) < 1e-12
    slopes = torch.func.jacrev(lambda x: net(x[None], t)[0])(x[0])
    turns = [apply(DivergenceFree, axis, x, 2)[0] for axis in torch.eye(3).double()]
    assert_close(divergence(DivergenceFree(net, 2)), (slopes * torch.stack(turns)).sum())


def test_the_eigenfunction_head_is_the_projected_output():
    f, sphere = normal(4), Sphere(3)
    x = sphere.random(5, dtype=torch.float64)
    got = apply(Eigen, f, x)
    assert_close(got, sum(f[i] * (axis - x[:, i, None] * x) for i, axis in enumerate(torch.eye(4))))
    assert_close(got, sphere.tangent(x, f.expand(5, 4)))


def test_vectors_on_rotations_are_x_times_the_sum_over_the_basis():
    f = normal(3)
    x = torch.linalg.qr(normal(4, 3, 3))[0]
    v = apply(LieAlgebra, f, x, "so", 3)
    zero = torch.zeros(()).double()
    rows = [zero, -f[0], -f[1], f[0], zero, -f[2], f[1], f[2], zero]
    assert_close(v, x @ torch.stack(rows).view(3, 3))
    # The rotation-vector metric is half the Frobenius metric.
    assert_close(v.flatten(1).square().sum(1) / 2, f.square().sum().expand(4))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_basis_of_su_is_orthonormal(n):
    basis = torch.view_as_complex(su_basis(n).double().movedim(1, -1).contiguous())
    assert len(basis) == n**2 - 1
    assert_close(basis.mH, -basis)
    assert_close(torch.einsum("kii->k", basis).abs(), torch.zeros(n**2 - 1).double())
    gram = torch.einsum("aij,bij->ab", basis.conj(), basis) / 2
    assert_close(gram, torch.eye(n**2 - 1, dtype=torch.complex128))


def test_vectors_on_unitary_matrices_are_complex_products():
    f, basis = normal(8), su_basis(3).double()
    x = torch.linalg.qr(torch.view_as_complex(normal(4, 3, 3, 2)))[0]
    v = apply(LieAlgebra, f, torch.stack([x.real, x.imag], 1), "su", 3)
    algebra = torch.einsum("k,kij->ij", f + 0j, torch.complex(basis[:, 0], basis[:, 1]))
    assert_close(torch.complex(v[:, 0], v[:, 1]), x @ algebra)


@pytest.mark.parametrize("grid", [[], [2, 3]])
def test_torus_fields_have_the_coefficients_as_angular_velocities(grid):
    torus = Power(Sphere(1), 5, grid)
    x, f = torus.random(4, dtype=torch.float64), normal(5, *grid)
    v = apply(TorusField, f, x)
    assert_close(v, torus.tangent(x, v))
    # Positive coefficients increase the angle.
    speed = v.unflatten(1, (5, 2)).norm(dim=2)
    assert_close(speed, f.abs().expand_as(speed))
    assert_close(v[:, 0], -f[0] * x[:, 1])
    assert_close(v[:, 9], f[4] * x[:, 8])


HEADS = [
    (DivergenceFree, (2,), [3], 3),
    (Eigen, (), [3], 3),
    (LieAlgebra, ("so", 3), [3, 3], 3),
    (TorusField, (), [6], 3),
]


@pytest.mark.parametrize(("head", "arguments", "shape", "fields"), HEADS)
def test_conditions_reach_the_network_and_a_wrong_number_of_outputs_is_refused(
    head, arguments, shape, fields
):
    x, f = normal(2, *shape), normal(fields)
    assert_close(apply(head, f, x, *arguments, scale=3.0), 3 * apply(head, f, x, *arguments))
    with pytest.raises(ValueError, match=f"{fields} fields need as many outputs.*not {fields + 1}"):
        apply(head, normal(fields + 1), x, *arguments)
