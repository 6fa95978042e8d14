"""Functions of symmetric matrices, with derivatives that stay finite at repeated eigenvalues.

Matrix-valued functions can be differentiated once, scalar-valued functions twice.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import grad, jvp

from ldm.spaces.numerics.sinhc import sinhc_of_root

__all__ = ["of_eigenvalues", "symmetric_clamp", "symmetric_exp", "symmetric_log", "symmetric_sqrt"]

# Relative gap of eigenvalues below which divided differences are replaced by their limits: at this
# gap they lose five digits by cancellation.
NEAR = 1e-5


def symmetric_exp(a: Float[Tensor, "*n k k"]) -> Float[Tensor, "*n k k"]:
    """Compute the matrix exponential."""
    return _Spectral.apply(a, torch.exp, _exp_slope)


def symmetric_log(a: Float[Tensor, "*n k k"]) -> Float[Tensor, "*n k k"]:
    """Compute the symmetric logarithm of positive definite matrices."""
    return _Spectral.apply(a, torch.log, _log_slope)


def symmetric_sqrt(a: Float[Tensor, "*n k k"]) -> Float[Tensor, "*n k k"]:
    """Compute the positive definite square root of positive definite matrices."""
    return _Spectral.apply(a, torch.sqrt, lambda x, y: 1 / (x.sqrt() + y.sqrt()))


def symmetric_clamp(a: Float[Tensor, "*n k k"], share: float) -> Float[Tensor, "*n k k"]:
    """Find the nearest matrix, in Frobenius norm, with no eigenvalue below a share of the largest.

    The floor is `share` times the largest absolute eigenvalue and counts as constant in
    derivatives.
    """

    def clamp(x: Tensor) -> Tensor:
        # The clamp keeps the floor positive even for the zero matrix.
        return x.maximum(share * x.abs().amax(-1, keepdim=True).clamp(min=1e-30))

    def slope(x: Tensor, y: Tensor) -> Tensor:
        floor = share * x.abs().amax((-2, -1), keepdim=True).clamp(min=1e-30)
        gap = torch.where(x == y, 1.0, x - y)
        chord = (x.maximum(floor) - y.maximum(floor)) / gap
        return torch.where(x == y, (x > floor).to(x), chord)

    return _Spectral.apply(a, clamp, slope)


def _exp_slope(x: Tensor, y: Tensor) -> Tensor:
    return ((x + y) / 2).exp() * sinhc_of_root((x - y).square() / 4)


def _log_slope(x: Tensor, y: Tensor) -> Tensor:
    t = ((x - y) / (x + y)).abs()
    small = t < 1e-4  # the next term is below rounding
    mean = torch.where(small, 1 + t.square() / 3, torch.atanh(t) / torch.where(small, 1.0, t))
    return 2 * mean / (x + y)


class _OfMatrix(torch.autograd.Function):
    """Base of functions of a matrix (first input) whose last input defines the derivative."""

    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])
        ctx.rule = inputs[-1]


class _Spectral(_OfMatrix):
    """The matrix with the eigenvectors of `a` and eigenvalues `f`.

    In the eigenbasis the derivative multiplies entry (i, j) of the direction by the divided
    difference `slope(x_i, x_j)` of f (Daleckii and Krein 1965), which has no poles. Plain autograd
    would go through the derivative of the eigenvectors, which has.
    """

    @staticmethod
    def forward(a: Tensor, f: Callable, slope: Callable) -> Tensor:
        values, vectors = torch.linalg.eigh(a)
        return (vectors * f(values).unsqueeze(-2)) @ vectors.mT

    @staticmethod
    def backward(ctx, gradient):
        return _derivative(*ctx.saved_tensors, gradient, ctx.rule), None, None

    @staticmethod
    def jvp(ctx, tangent, *_):
        return _derivative(*ctx.saved_tensors, tangent, ctx.rule)


def _derivative(a: Tensor, direction: Tensor, slope: Callable) -> Tensor:
    values, v = torch.linalg.eigh(a)
    table = slope(values.unsqueeze(-1), values.unsqueeze(-2))
    return v @ (table * (v.mT @ direction @ v)) @ v.mT


def of_eigenvalues(a: Float[Tensor, "*n k k"], f: Callable) -> Float[Tensor, "*n"]:
    """Evaluate a symmetric function `f` of each matrix's eigenvalues, twice differentiable.

    Args:
        a: symmetric matrices.
        f: smooth map from `(*n, k)` eigenvalues to `(*n,)` numbers that does not depend on their
            order.
    """
    return _OfEigenvalues.apply(a, f)


class _OfEigenvalues(_OfMatrix):
    @staticmethod
    def forward(a: Tensor, f: Callable) -> Tensor:
        return f(torch.linalg.eigvalsh(a))

    @staticmethod
    def backward(ctx, gradient):
        slope = _Gradient.apply(*ctx.saved_tensors, ctx.rule)
        return gradient[..., None, None] * slope, None

    @staticmethod
    def jvp(ctx, direction, *_):
        return (_Gradient.apply(*ctx.saved_tensors, ctx.rule) * direction).sum((-2, -1))


class _Gradient(_OfMatrix):
    """The gradient of `of_eigenvalues`: eigenvectors of `a`, partial derivatives as eigenvalues.

    Its derivative, the Hessian, is symmetric, hence the same in both modes.
    """

    @staticmethod
    def forward(a: Tensor, f: Callable) -> Tensor:
        values, vectors = torch.linalg.eigh(a)
        return (vectors * _slope(f, values).unsqueeze(-2)) @ vectors.mT

    @staticmethod
    def backward(ctx, gradient):
        return _curvature(*ctx.saved_tensors, gradient, ctx.rule), None

    @staticmethod
    def jvp(ctx, direction, *_):
        return _curvature(*ctx.saved_tensors, direction, ctx.rule)


def _curvature(a: Tensor, direction: Tensor, f: Callable) -> Tensor:
    values, v = torch.linalg.eigh(a)
    eye = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    along = [jvp(lambda z: _slope(f, z), (values,), (axis.expand_as(values),)) for axis in eye]
    slope, second = along[0][0], torch.stack([change for _, change in along], -1)
    own = second.diagonal(dim1=-2, dim2=-1)
    x, y = values.unsqueeze(-1), values.unsqueeze(-2)
    # Off-diagonal entries are divided differences of the slope. For (nearly) equal eigenvalues they
    # are replaced by the mean derivative over the pair and the exchanged pair, which is the limit.
    limit = (own.unsqueeze(-1) + own.unsqueeze(-2) - second - second.mT) / 2
    near = (x - y).abs() <= NEAR * (x.abs() + y.abs())
    chord = (slope.unsqueeze(-1) - slope.unsqueeze(-2)) / torch.where(near, 1.0, x - y)
    moved = v.mT @ direction @ v
    inside = (second @ moved.diagonal(dim1=-2, dim2=-1).unsqueeze(-1)).squeeze(-1)
    table = torch.where(near, limit, chord) * (1 - eye)
    return v @ (table * moved + torch.diag_embed(inside)) @ v.mT


def _slope(f: Callable, values: Tensor) -> Tensor:
    """Compute the partial derivatives of `f` for each matrix."""
    return grad(lambda z: f(z).sum())(values)
