"""Eigen-angles of special unitary matrices, and once-differentiable functions of them.

Autograd through eigenvectors divides by differences of eigenvalues, although the derivatives of
these functions are finite at repeated eigenvalues. So derivatives are given explicitly.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Once", "eigenangles", "log_unitary", "once"]


class Once(NamedTuple):
    """A function of a matrix near the group, with its explicit derivative.

    Each function takes the matrix and the further arguments of `once`, which count as constants.
    """

    value: Callable[..., Tensor]
    slope: Callable[..., Tensor]
    """Directional derivative; its first argument is the direction."""
    adjoint: Callable[..., Tensor]
    """Gradient in the matrix; its first argument is the gradient in the value."""


def once(function: Once, difference: Tensor, *constants: Tensor) -> Tensor:
    """Evaluate `function`, differentiable once in both modes; second derivatives raise errors."""
    return _First.apply(function, difference, *constants)


class _First(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(function, *tensors):
        return function.value(*tensors)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.function, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx, gradient):
        change = _Second.apply(ctx.function.adjoint, gradient, *ctx.saved_tensors)
        return None, change, *[None] * (len(ctx.saved_tensors) - 1)

    @staticmethod
    def jvp(ctx, _, direction, *__):
        return _Second.apply(ctx.function.slope, direction, *ctx.saved_tensors)


class _Second(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(slope, direction, *tensors):
        return slope(direction, *tensors)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, *_):
        raise NotImplementedError(
            "second derivatives of what depends on eigen-angles of unitary matrices (logarithms, "
            "distances, heat kernels and their scores) are not known: of a heat kernel's log "
            "density, differentiate its score once"
        )

    jvp = backward


def eigenangles(difference: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the angles and eigenvectors of special unitary matrices `U = 1 + difference`.

    With Re U and Im U the Hermitian parts of U, the Hermitian matrix cos(a) Re U + sin(a) Im U has
    the eigenvectors of U and eigenvalues cos(angle - a), unless these coincide for two different
    angles. That happens for one a per pair of angles; so of one more values of a than pairs, at
    least one is good, and the one whose eigenvectors diagonalise U best is chosen. Hermitian
    solvers keep eigenvectors orthonormal also where angles coincide.

    Args:
        difference: complex, `(..., n, n)`: `U - 1`, for full relative precision of small angles.

    Returns:
        angles: `(..., n)` radians, the shortest vector with sum zero, differentiable `once`.
        vectors: `(..., n, n)` unitary, one eigenvector per column, constants to autograd.
    """
    n = difference.shape[-1]
    with torch.no_grad():
        count = n * (n - 1) // 2 + 1
        # The first a uses sines only, which are precise near the identity.
        a = math.pi / 2 + math.pi / count * torch.arange(count).to(difference.real)
        a = a[:, None, None]
        d = difference.detach().unsqueeze(-3)  # no_grad does not stop forward-mode derivatives
        real, imaginary = (d + d.mH) / 2, (d - d.mH) / 2j
        vectors = torch.linalg.eigh(a.cos() * real + a.sin() * imaginary).eigenvectors
        rotated = vectors.mH @ d @ vectors
        off = rotated - torch.diag_embed(rotated.diagonal(dim1=-2, dim2=-1))
        best = off.abs().square().sum((-2, -1)).argmin(-1)
        vectors = vectors.take_along_dim(best[..., None, None, None], -3).squeeze(-3)
    return once(_ANGLES, difference, vectors), vectors


def _angles(difference: Tensor, vectors: Tensor) -> Tensor:
    values = _diagonal(difference, vectors)
    angles = torch.atan2(values.imag, 1 + values.real)
    # The sum is a multiple of 2 pi: shift the largest, or the smallest, angles to make it zero.
    turns = (angles.sum(-1, keepdim=True) / (2 * math.pi)).round()
    rank = angles.argsort(-1, descending=True).argsort(-1)
    wind = (rank < turns).to(angles) - (rank >= angles.shape[-1] + turns).to(angles)
    return angles - 2 * math.pi * wind


def _diagonal(matrix: Tensor, vectors: Tensor) -> Tensor:
    """Compute the diagonal of `V^H M V`."""
    return (vectors.conj() * (matrix @ vectors)).sum(-2)


def _angle_slope(direction: Tensor, difference: Tensor, vectors: Tensor) -> Tensor:
    return (_diagonal(direction, vectors) / (1 + _diagonal(difference, vectors))).imag


def _angle_adjoint(gradient: Tensor, difference: Tensor, vectors: Tensor) -> Tensor:
    value = 1 + _diagonal(difference, vectors)
    return (vectors * (1j * gradient / value.conj()).unsqueeze(-2)) @ vectors.mH


def _log(difference: Tensor, vectors: Tensor) -> Tensor:
    return (vectors * (1j * _angles(difference, vectors)).unsqueeze(-2)) @ vectors.mH


def _log_slope(direction: Tensor, difference: Tensor, vectors: Tensor) -> Tensor:
    """Multiply by divided differences of the log in the eigenbasis (Daleckii and Krein 1965)."""
    table = _divided_log(difference, vectors)
    return vectors @ (table * (vectors.mH @ direction @ vectors)) @ vectors.mH


def _log_adjoint(gradient: Tensor, difference: Tensor, vectors: Tensor) -> Tensor:
    table = _divided_log(difference, vectors).conj()
    return vectors @ (table * (vectors.mH @ gradient @ vectors)) @ vectors.mH


def _divided_log(difference: Tensor, vectors: Tensor) -> Tensor:
    """Compute `(ia - ib) / (exp(ia) - exp(ib))` for each pair of angles."""
    angles = _angles(difference, vectors)
    a, b = angles.unsqueeze(-1), angles.unsqueeze(-2)
    return torch.polar(1 / torch.sinc((a - b) / (2 * math.pi)), -(a + b) / 2)


_ANGLES = Once(_angles, _angle_slope, _angle_adjoint)
_LOG = Once(_log, _log_slope, _log_adjoint)


def log_unitary(difference: Tensor) -> Tensor:
    """Compute the shortest traceless A with `exp(A) = 1 + difference`, differentiable `once`."""
    return once(_LOG, difference, eigenangles(difference)[1])
