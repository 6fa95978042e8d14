"""The rotations nearest to a batch of 3x3 matrices."""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["nearest_rotation"]

# In float64, four sweeps leave inner products of columns below 1e-10 of the longest column's square
# (maximum over 100,000 matrices of each kind that we tried), five leave rounding errors only.
SWEEPS = 5


def nearest_rotation(m: Float[Tensor, "n 3 3"]) -> Float[Tensor, "n 3 3"]:
    """Find the rotation r with the least `|r - m|^2` (Kabsch 1976), any of them if not unique.

    It is `r = u v^T` with the first two left and right singular vectors of m, each pair completed
    to determinant one by a cross product. This flips the sign of the smallest singular value when
    the determinant of m is negative.

    Singular vectors come from Jacobi rotations of columns (Hestenes 1958, "Inversion of matrices by
    biorthogonalization"), equally many for all matrices, so that operations run on the whole batch;
    LAPACK takes one matrix after another.
    """
    # The batch axis goes last, so that operations are contiguous along it.
    rows = m.permute(1, 2, 0).contiguous()
    scale = rows.abs().amax((0, 1))
    rows = rows / _positive(scale)
    a, b, c = rows.unbind(1)
    for _ in range(SWEEPS):
        a, b = _orthogonal(a, b)
        a, c = _orthogonal(a, c)
        b, c = _orthogonal(b, c)
    a, b = _longer_first(a, b)
    b, c = _longer_first(b, c)
    a, b = _longer_first(a, b)
    left = _frame(a, b)
    right = _frame(_times(rows, left[0]), _times(rows, left[1]))
    r = left[0].unsqueeze(1) * right[0]
    for u, v in zip(left[1:], right[1:], strict=True):
        r = torch.addcmul(r, u.unsqueeze(1), v)
    # The result for matrices with NaN or infinity is NaN: scale - scale is NaN there, else zero.
    return (r + (scale - scale)).permute(2, 0, 1).contiguous()


def _orthogonal(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Rotate two vectors in their plane, by at most 45 degrees, to make them orthogonal."""
    more, twice = _dot(a, a) - _dot(b, b), 2 * _dot(a, b)
    # Cosine and sine of half the polar angle of (more, twice), or of (-more, -twice).
    sine = twice.copysign(twice * more)
    cosine = _positive(more.abs() + torch.addcmul(more * more, twice, twice).sqrt())
    size = torch.addcmul(cosine * cosine, twice, twice).rsqrt()
    cosine, sine = cosine * size, sine * size
    return torch.addcmul(cosine * a, sine, b), torch.addcmul(cosine * b, sine, a, value=-1)


def _longer_first(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    swap = _dot(a, a) < _dot(b, b)
    return torch.where(swap, b, a), torch.where(swap, a, b)


def _frame(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Orthonormalise a and b, and add their cross product: a frame of determinant one."""
    first = torch.tensor([1.0, 0.0, 0.0]).to(a)[:, None]
    a = _unit(a, first, 0)
    x, y, z = a
    sign = torch.ones_like(z).copysign(z)
    shear = -1 / (sign + z)
    # If b is parallel to a up to rounding, use another direction orthogonal to a (Duff et al. 2017,
    # "Building an orthonormal basis, revisited").
    other = torch.stack([1 + sign * x * x * shear, sign * x * y * shear, -sign * x])
    b = _unit(torch.addcmul(b, _dot(a, b), a, value=-1), other, _dot(b, b) / 4)
    return a, b, torch.linalg.cross(a, b, dim=0)


def _times(rows: Tensor, u: Tensor) -> Tensor:
    """Compute `m^T u`."""
    return (rows * u.unsqueeze(1)).sum(0)


def _unit(a: Tensor, other: Tensor, least: Tensor | float) -> Tensor:
    """Normalise a, or return `other` if the squared length of a is at most `least`."""
    square = _dot(a, a)
    return torch.where(square > least, a * square.rsqrt(), other)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return torch.addcmul(torch.addcmul(a[0] * b[0], a[1], b[1]), a[2], b[2])


def _positive(x: Tensor) -> Tensor:
    # Large enough that its square is positive as well.
    return x.clamp(min=4 * torch.finfo(x.dtype).tiny ** 0.5)
