"""Eigen-angles of special unitary matrices, and the logarithm that they give."""

import math

import torch
from torch import Tensor

__all__ = ["eigenangles", "log_unitary"]


def eigenangles(difference: Tensor) -> tuple[Tensor, Tensor]:
    """The angles and eigenvectors of special unitary matrices `1 + difference`.

    The Hermitian matrices cos(a) Re U + sin(a) Im U have the eigenvectors of U, unless the cosines
    of two different angles, seen from a, coincide. Among one more directions a than U has pairs of
    angles, one stays clear of all coincidences; it is the one that leaves least off the diagonal.
    So all is done by Hermitian solvers, which keep eigenvectors orthonormal where angles meet.

    Args:
        difference: complex, `(..., n, n)`: `U - 1`, so that angles near zero keep their digits.

    Returns:
        angles: `(..., n)` radians, those of least length with sum zero, differentiable once.
        vectors: `(..., n, n)` unitary, one eigenvector a column, constants to autograd.
    """
    n = difference.shape[-1]
    with torch.no_grad():
        count = n * (n - 1) // 2 + 1
        # The first sees sines, all of whose digits are there near the identity.
        a = math.pi / 2 + math.pi / count * torch.arange(count).to(difference.real)
        a = a[:, None, None]
        d = difference.unsqueeze(-3)
        real, imaginary = (d + d.mH) / 2, (d - d.mH) / 2j
        vectors = torch.linalg.eigh(a.cos() * real + a.sin() * imaginary).eigenvectors
        rotated = vectors.mH @ d @ vectors
        off = rotated - torch.diag_embed(rotated.diagonal(dim1=-2, dim2=-1))
        best = off.abs().square().sum((-2, -1)).argmin(-1)
        vectors = vectors.take_along_dim(best[..., None, None, None], -3).squeeze(-3)
    values = (vectors.conj() * (difference @ vectors)).sum(-2)
    angles = torch.atan2(values.imag, 1 + values.real)
    # The sum is a multiple of 2 pi: the largest angles, or the smallest, wind back to make it zero.
    turns = (angles.detach().sum(-1, keepdim=True) / (2 * math.pi)).round()
    rank = angles.detach().argsort(-1, descending=True).argsort(-1)
    wind = (rank < turns).to(angles) - (rank >= n + turns).to(angles)
    return angles - 2 * math.pi * wind, vectors


class _LogUnitary(torch.autograd.Function):
    """The shortest logarithm; its derivative is finite and right where eigen-angles meet.

    In the eigenbasis it multiplies by divided differences of the logarithm (Daleckii and Krein).
    """

    @staticmethod
    def forward(ctx, difference):
        angles, vectors = eigenangles(difference)
        ctx.save_for_backward(angles, vectors)
        return (vectors * (1j * angles).unsqueeze(-2)) @ vectors.mH

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        angles, vectors = ctx.saved_tensors
        a, b = angles.unsqueeze(-1), angles.unsqueeze(-2)
        # (ia - ib) / (exp(ia) - exp(ib)), of which the adjoint wants the conjugate
        slope = torch.polar(1 / torch.sinc((a - b) / (2 * math.pi)), (a + b) / 2)
        return vectors @ (slope * (vectors.mH @ gradient @ vectors)) @ vectors.mH


def log_unitary(difference: Tensor) -> Tensor:
    """The shortest traceless A with `exp(A) = 1 + difference`, where that is special unitary."""
    return _LogUnitary.apply(difference)
