"""Heads that use a network's outputs as coefficients of fixed tangent vector fields.

Source: De Bortoli et al., "Riemannian score-based generative modelling", 2022, the appendix on
score networks. Each head wraps a backbone with one output per field, passes the time and the
conditions on to it, and is itself a backbone.
"""

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["DivergenceFree", "Eigen", "LieAlgebra", "TorusField", "skew_basis", "su_basis"]


class Field(nn.Module):
    """A sum of fixed vector fields weighted by the outputs of `net`.

    Raises:
        ValueError: the numbers of network outputs and of fields differ.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def coefficients(
        self, fields: int, x: Tensor, t: Tensor, condition: dict[str, Any]
    ) -> Float[Tensor, "n fields ..."]:
        """Evaluate the network, which must have one output per field."""
        f = self.net(x, t, **condition)
        if f.shape[1] != fields:
            raise ValueError(f"{fields} fields need as many outputs of the net, not {f.shape[1]}")
        return f


class DivergenceFree(Field):
    """Head for the sphere S^dim: sum over i < j of f_ij (x_i e_j - x_j e_i).

    Each of the dim (dim + 1) / 2 fields generates a rotation in the plane of two axes and is
    divergence-free; the divergence of the sum is that of the coefficients along the fields. The
    output is tangent for x of any radius. Pairs are ordered 01, 02, ..., 12, ...

    Example:
        >>> from ldm.networks.points.mlp import MLP
        >>> DivergenceFree(MLP([3], out=3), dim=2)(torch.ones(5, 3), torch.rand(5)).shape
        torch.Size([5, 3])
    """

    def __init__(self, net: nn.Module, dim: int) -> None:
        super().__init__(net)
        self.fields = dim * (dim + 1) // 2
        i, j = torch.triu_indices(dim + 1, dim + 1, 1)
        pair = torch.zeros(dim + 1, dim + 1, dtype=torch.long)
        pair[i, j] = pair[j, i] = torch.arange(self.fields)
        ones = torch.ones(dim + 1, dim + 1)
        self.register_buffer("pair", pair, persistent=False)
        self.register_buffer("sign", ones.tril() - ones.triu(), persistent=False)

    def forward(
        self, x: Float[Tensor, "n d"], t: Float[Tensor, " n"], **condition: Any
    ) -> Float[Tensor, "n d"]:
        f = self.coefficients(self.fields, x, t, condition)
        # Indexing avoids a product with a basis tensor of size dim^4 / 2.
        skew = f[:, self.pair] * self.sign
        return (skew * x[:, None]).sum(2)


class Eigen(Field):
    """Head for the unit sphere S^d: the sum over i of f_i (e_i - x_i x), with d + 1 fields.

    The fields are the gradients of the coordinates, the first eigenfunctions of the Laplacian. The
    result equals the network's ambient output projected to the tangent space.

    Example:
        >>> from ldm.networks.points.mlp import MLP
        >>> Eigen(MLP([3]))(torch.eye(3), torch.rand(3)).shape
        torch.Size([3, 3])
    """

    def forward(
        self, x: Float[Tensor, "n d"], t: Float[Tensor, " n"], **condition: Any
    ) -> Float[Tensor, "n d"]:
        f = self.coefficients(x.shape[1], x, t, condition)
        return f - x * (f * x).sum(1, keepdim=True)


class LieAlgebra(Field):
    """Head for a matrix group: x times the sum of f_i E_i, left-invariant fields of a basis E.

    Args:
        net: a backbone with one output for each element of the basis.
        group: "so" for rotations, (n, n); "su" for special unitary matrices, (2, n, n) with the
            real part first.
        n: number of rows of the matrices.

    Example:
        >>> from ldm.networks.points.mlp import MLP
        >>> head = LieAlgebra(MLP([3, 3], out=3), "so", 3)
        >>> head(torch.eye(3).expand(5, 3, 3), torch.rand(5)).shape
        torch.Size([5, 3, 3])
    """

    def __init__(self, net: nn.Module, group: Literal["so", "su"], n: int) -> None:
        super().__init__(net)
        basis = skew_basis(n) if group == "so" else su_basis(n)
        self.register_buffer("basis", basis, persistent=False)

    def forward(
        self, x: Float[Tensor, "n *pair m m"], t: Float[Tensor, " n"], **condition: Any
    ) -> Float[Tensor, "n *pair m m"]:
        f = self.coefficients(len(self.basis), x, t, condition)
        v = (f @ self.basis.flatten(1)).unflatten(1, self.basis.shape[1:])
        if v.ndim == 3:
            return x @ v
        (a, b), (c, d) = x.unbind(1), v.unbind(1)
        return torch.stack([a @ c - b @ d, a @ d + b @ c], 1)


def skew_basis(n: int) -> Float[Tensor, "fields n n"]:
    """List the n (n - 1) / 2 skew-symmetric matrices with -1 at (i, j) and 1 at (j, i), i < j.

    For SO(3) their coefficients are angular velocities, in radians per unit of time.
    """
    i, j = torch.triu_indices(n, n, 1)
    one = torch.eye(n)
    upper = one[i, :, None] * one[j, None]
    return upper.mT - upper


def su_basis(n: int) -> Float[Tensor, "fields 2 n n"]:
    """List the n^2 - 1 matrices i lambda of su(n), with lambda the generalised Gell-Mann matrices.

    First the real skew-symmetric ones, then the imaginary off-diagonal ones, then the diagonal
    ones; they are orthonormal under tr(X^H Y) / 2.
    """
    i, j = torch.triu_indices(n, n, 1)
    one = torch.eye(n)
    upper = one[i, :, None] * one[j, None]
    skew, symmetric = upper.mT - upper, upper.mT + upper
    k = torch.arange(1.0, n)
    rows = torch.ones(n - 1, n).tril() - k[:, None] * one[1:]
    diagonal = torch.diag_embed(rows * (2 / (k * (k + 1))).sqrt()[:, None])
    imaginary = torch.cat([symmetric, diagonal])
    return torch.cat(
        [
            torch.stack([skew, torch.zeros_like(skew)], 1),
            torch.stack([torch.zeros_like(imaginary), imaginary], 1),
        ]
    )


class TorusField(Field):
    """Head for circles stored as channel pairs (cos, sin): f_g (-sin, cos) on each circle g.

    Example:
        >>> from ldm.networks.points.mlp import MLP
        >>> TorusField(MLP([14], out=7))(torch.ones(5, 14), torch.rand(5)).shape
        torch.Size([5, 14])
    """

    def forward(
        self, x: Float[Tensor, "n c *grid"], t: Float[Tensor, " n"], **condition: Any
    ) -> Float[Tensor, "n c *grid"]:
        f = self.coefficients(x.shape[1] // 2, x, t, condition)
        cosine, sine = x[:, 0::2], x[:, 1::2]
        return torch.stack([-f * sine, f * cosine], 2).flatten(1, 2)
