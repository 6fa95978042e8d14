"""Eigen-angles of special unitary matrices, and functions of them that can be differentiated once.

Autograd would divide by differences of eigenvalues, on its way through the eigenvectors, where the
derivatives themselves have no poles.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Once", "eigenangles", "log_unitary", "once"]


class Once(NamedTuple):
    """A function of a matrix near the group, with its derivative at hand.

    Each is called with the matrix and what else `once` is given, which counts as constant.
    """

    value: Callable[..., Tensor]
    slope: Callable[..., Tensor]
    """Called with a direction first: the derivative along it."""
    adjoint: Callable[..., Tensor]
    """Called with a gradient of the value first: that of the matrix."""


def once(function: Once, difference: Tensor, *constants: Tensor) -> Tensor:
    """`function.value`, with first derivatives of both modes; second ones are refused."""
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
    """The angles and eigenvectors of special unitary matrices `1 + difference`.

    The Hermitian matrices cos(a) Re U + sin(a) Im U have the eigenvectors of U, unless the cosines
    of two different angles, seen from a, coincide. Among one more directions a than U has pairs of
    angles, one stays clear of all coincidences; it is the one that leaves least off the diagonal.
    So all is done by Hermitian solvers, which keep eigenvectors orthonormal where angles meet.

    Args:
        difference: complex, `(..., n, n)`: `U - 1`, so that angles near zero keep their digits.

    Returns:
        angles: `(..., n)` radians, those of least length with sum zero, differentiable `once`.
        vectors: `(..., n, n)` unitary, one eigenvector a column, constants to autograd.
    """
    n = difference.shape[-1]
    with torch.no_grad():
        count = n * (n - 1) // 2 + 1
        # The first sees sines, all of whose digits are there near the identity.
        a = math.pi / 2 + math.pi / count * torch.arange(count).to(difference.real)
        a = a[:, None, None]
        d = difference.detach().unsqueeze(-3)  # forward derivatives pass no_grad
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
    # The sum is a multiple of 2 pi: the largest angles, or the smallest, wind back to make it zero.
    turns = (angles.sum(-1, keepdim=True) / (2 * math.pi)).round()
    rank = angles.argsort(-1, descending=True).argsort(-1)
    wind = (rank < turns).to(angles) - (rank >= angles.shape[-1] + turns).to(angles)
    return angles - 2 * math.pi * wind


def _diagonal(matrix: Tensor, vectors: Tensor) -> Tensor:
    """The diagonal of `V^H M V`."""
    return (vectors.conj() * (matrix @ vectors)).sum(-2)


def _angle_slope(direction: Tensor, difference: Tensor, vectors: Tensor) -> Tensor:
    return (_diagonal(direction, vectors) / (1 + _diagonal(difference, vectors))).imag


def _angle_adjoint(gradient: Tensor, difference: Tensor, vectors: Tensor) -> Tensor:
    value = 1 + _diagonal(difference, vectors)
    return (vectors * (1j * gradient / value.conj()).unsqueeze(-2)) @ vectors.mH


def _log(difference: Tensor, vectors: Tensor) -> Tensor:
    return (vectors * (1j * _angles(difference, vectors)).unsqueeze(-2)) @ vectors.mH


def _log_slope(direction: Tensor, difference: Tensor, vectors: Tensor) -> Tensor:
    """Multiply, in the eigenbasis, by divided differences of the logarithm (Daleckii and Krein)."""
    table = _divided_log(difference, vectors)
    return vectors @ (table * (vectors.mH @ direction @ vectors)) @ vectors.mH


def _log_adjoint(gradient: Tensor, difference: Tensor, vectors: Tensor) -> Tensor:
    table = _divided_log(difference, vectors).conj()
    return vectors @ (table * (vectors.mH @ gradient @ vectors)) @ vectors.mH


def _divided_log(difference: Tensor, vectors: Tensor) -> Tensor:
    """`(ia - ib) / (exp(ia) - exp(ib))` of each pair of angles."""
    angles = _angles(difference, vectors)
    a, b = angles.unsqueeze(-1), angles.unsqueeze(-2)
    return torch.polar(1 / torch.sinc((a - b) / (2 * math.pi)), -(a + b) / 2)


_ANGLES = Once(_angles, _angle_slope, _angle_adjoint)
_LOG = Once(_log, _log_slope, _log_adjoint)


def log_unitary(difference: Tensor) -> Tensor:
    """The shortest traceless A with `exp(A) = 1 + difference`, differentiable `once`."""
    return once(_LOG, difference, eigenangles(difference)[1])
