"""Compact groups of matrices with the metric that both translations preserve."""

import math
from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import vector_norm

from ldm.spaces.space import Space

__all__ = ["MatrixGroup"]


class MatrixGroup(Space):
    """A group of orthogonal or unitary matrices of determinant one; its reference measure is Haar.

    Tangent vectors at x are x A with A in the Lie algebra, and geodesics are x exp(t A). Work is
    done in double precision, whatever the precision of the points: autocast and TF32 would round
    products of single precision to two or three digits, and points would leave the group.

    Args:
        basis: of the Lie algebra, skew-Hermitian matrices, orthogonal and of Frobenius norm `unit`.
        unit: the Frobenius norm of what the metric calls a unit vector.
    """

    def __init__(self, basis: Tensor, unit: float = 1.0) -> None:
        self.basis, self.unit = basis, unit
        self.dim, self.size = len(basis), basis.shape[-1]

    @abstractmethod
    def matrix(self, x: Float[Tensor, "n ..."]) -> Tensor:
        """Points or vectors as matrices `(n, size, size)` of float64 or, if unitary, complex128."""

    @abstractmethod
    def coordinates(self, m: Tensor, dtype: torch.dtype) -> Float[Tensor, "n ..."]:
        """Undo `matrix`."""

    @abstractmethod
    def algebra_exp(self, a: Tensor) -> Tensor:
        """The matrix exponential of elements of the Lie algebra."""

    @abstractmethod
    def algebra_log(self, difference: Tensor) -> Tensor:
        """The shortest `a` with `algebra_exp(a) = 1 + difference`."""

    @abstractmethod
    def nearest(self, m: Tensor) -> Tensor:
        """The matrix of the group nearest to each matrix; derivatives are `project`'s business."""

    def project(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        m = self.matrix(x)
        return self.coordinates(_Nearest.apply(m, self.basis.to(m), self.nearest), x.dtype)

    def tangent(
        self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        return self.coordinates(self.matrix(x) @ self.left(x, v), x.dtype)

    def exp(self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        y = self.matrix(x) @ self.algebra_exp(self.left(x, v))
        # One Newton step to the nearest unitary matrix, else a long walk drifts off by rounding.
        return self.coordinates(1.5 * y - 0.5 * (y @ (y.mH @ y)), x.dtype)

    def log(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """Logarithm; at a point of the cut locus, one of the several shortest."""
        return self.coordinates(self.matrix(x) @ self.between(x, y), x.dtype)

    def inner(
        self, x: Float[Tensor, "n ..."], u: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, " n"]:
        return super().inner(x, u, v) / self.unit**2

    def gradient(
        self, x: Float[Tensor, "n ..."], euclidean: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        return self.tangent(x, euclidean) * self.unit**2

    def log_volume_element(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        return x.new_full(x.shape[:1], -self.dim * math.log(self.unit))

    def scalar_curvature(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """`1/4 sum_ij |[e_i, e_j]|^2` over an orthonormal basis (Milnor 1976): 3/2 on SO(3)."""
        brackets = self.basis[:, None] @ self.basis - self.basis @ self.basis[:, None]
        return ((brackets.abs() / self.unit).square().sum() / 4).to(x).expand(x.shape[:1])

    def transport(
        self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]
    ) -> Float[Tensor, "n ..."]:
        # Half of the way from either side: neither translation alone is parallel.
        half = self.algebra_exp(self.between(x, y) / 2)
        moved = half.mH @ (self.left(x, v) @ half)
        return self.coordinates(self.matrix(y) @ moved, x.dtype)

    def frame(self, x: Float[Tensor, "n ..."], c: Float[Tensor, "n dim"]) -> Float[Tensor, "n ..."]:
        """The basis of the Lie algebra, translated from the left."""
        m = self.matrix(x)
        return self.coordinates(m @ self.algebra(c.to(m.real.dtype)), x.dtype)

    def distance(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        a = torch.view_as_real(self.between(x, y) + 0j)
        return (vector_norm(a, dim=(1, 2, 3)) / self.unit).to(x.dtype)

    def log_density(self, x: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
        """Log density of the Haar measure: minus the log volume everywhere."""
        return x.new_full(x.shape[:1], -self.log_volume)

    def algebra(self, c: Float[Tensor, "n dim"]) -> Tensor:
        """The element of the Lie algebra with coordinates `c` in the basis."""
        dtype = c.dtype.to_complex() if self.basis.is_complex() else c.dtype
        basis = self.basis.to(c.device, dtype)
        return (c[..., None, None] * basis).sum(-3)

    def difference(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Tensor:
        """`x^H y - 1`, with the digits of `y - x` where the two are close."""
        start = self.matrix(x)
        return start.mH @ (self.matrix(y) - start)

    def between(self, x: Float[Tensor, "n ..."], y: Float[Tensor, "n ..."]) -> Tensor:
        """The shortest element of the Lie algebra that leads from `x` to `y`."""
        return _algebra_part(self.algebra_log(self.difference(x, y)))

    def left(self, x: Float[Tensor, "n ..."], v: Float[Tensor, "n ..."]) -> Tensor:
        """The part of `x^H v` in the Lie algebra."""
        return _algebra_part(self.matrix(x).mH @ self.matrix(v))


def _algebra_part(m: Tensor) -> Tensor:
    """The skew-Hermitian part, without its trace."""
    skew = (m - m.mH) / 2
    if not m.is_complex():
        return skew
    trace = skew.diagonal(dim1=-2, dim2=-1).mean(-1)
    return skew - trace[..., None, None] * torch.eye(m.shape[-1], dtype=m.dtype, device=m.device)


class _Nearest(torch.autograd.Function):
    """The nearest matrix of the group, with a derivative that is finite at equal singular values.

    The nearest U leaves no part of U^H M in the Lie algebra. So as M moves by D, U moves by U W
    with W H + H W = U^H D - D^H U on the Lie algebra, H being the Hermitian part of U^H M. In the
    eigenbasis of H that is division by sums of singular values, where differentiating the SVD
    itself would divide by their differences. The map from D to U W is its own adjoint.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(m, basis, nearest):
        return nearest(m)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0], output, inputs[1])
        ctx.save_for_forward(inputs[0], output, inputs[1])

    @staticmethod
    def backward(ctx, gradient):
        return _turn(*ctx.saved_tensors, gradient), None, None

    @staticmethod
    def jvp(ctx, direction, *_):
        return _turn(*ctx.saved_tensors, direction)


def _turn(m: Tensor, u: Tensor, basis: Tensor, d: Tensor) -> Tensor:
    h = u.mH @ m
    h, right = (h + h.mH) / 2, u.mH @ d
    # One equation for each of the basis: no eigenvectors, so it can be differentiated again.
    b = basis / vector_norm(torch.view_as_real(basis + 0j), dim=(1, 2, 3))[:, None, None]
    matrix = 2 * _real_trace(b[:, None], (b @ h.unsqueeze(-3)).unsqueeze(-4))
    # Least squares: where there is no derivative, it is zero.
    square = matrix.mT @ matrix + 1e-60 * torch.eye(len(b), dtype=matrix.dtype, device=m.device)
    right = matrix.mT @ (2 * _real_trace(b, right.unsqueeze(-3))).unsqueeze(-1)
    w = torch.linalg.solve_ex(square, right).result
    return u @ (w.unsqueeze(-1) * b).sum(-3)


def _real_trace(a: Tensor, b: Tensor) -> Tensor:
    """`Re tr a^H b`."""
    return (a.conj() * b).real.sum((-2, -1))
