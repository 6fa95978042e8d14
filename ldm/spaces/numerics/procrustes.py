"""The rotation nearest to a matrix, for many 3x3 matrices at once."""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["nearest_rotation"]

# In float64, four leave products of columns below 1e-10 of the longest one's square (the largest of
# 100,000 matrices of each kind that was tried), and five leave rounding.
SWEEPS = 5


def nearest_rotation(m: Float[Tensor, "n 3 3"]) -> Float[Tensor, "n 3 3"]:
    """The rotation r with the least `|r - m|^2` (Kabsch 1976), and one of them where many have it.

    With the singular vectors of m, in order, `r = u v^T` for two frames of determinant one: a cross
    product makes the third vectors, which turns the smallest singular value where it must.

    The vectors come from Jacobi rotations of columns (Hestenes 1958, "Inversion of matrices by
    biorthogonalization"), the same few for all matrices; LAPACK takes one matrix after another.
    """
    # Points last: all that follows runs along them.
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
    # Nothing is near to NaN or infinity: zero is added to all other rotations, NaN to those.
    return (r + (scale - scale)).permute(2, 0, 1).contiguous()


def _orthogonal(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Turn two vectors in their plane, by 45 degrees at most, until they are orthogonal."""
    more, twice = _dot(a, a) - _dot(b, b), 2 * _dot(a, b)
    # The cosine and sine of half the angle of (more, twice), or of (-more, -twice).
    sine = twice.copysign(twice * more)
    cosine = _positive(more.abs() + torch.addcmul(more * more, twice, twice).sqrt())
    size = torch.addcmul(cosine * cosine, twice, twice).rsqrt()
    cosine, sine = cosine * size, sine * size
    return torch.addcmul(cosine * a, sine, b), torch.addcmul(cosine * b, sine, a, value=-1)


def _longer_first(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    swap = _dot(a, a) < _dot(b, b)
    return torch.where(swap, b, a), torch.where(swap, a, b)


def _frame(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A frame of determinant one: the direction of a, what b adds to it, and their product."""
    first = torch.tensor([1.0, 0.0, 0.0]).to(a)[:, None]
    a = _unit(a, first, 0)
    x, y, z = a
    sign = torch.ones_like(z).copysign(z)
    shear = -1 / (sign + z)
    # Any direction will do where b adds only rounding: this one is at right angles (Duff et al.
    # 2017, "Building an orthonormal basis, revisited").
    other = torch.stack([1 + sign * x * x * shear, sign * x * y * shear, -sign * x])
    b = _unit(torch.addcmul(b, _dot(a, b), a, value=-1), other, _dot(b, b) / 4)
    return a, b, torch.linalg.cross(a, b, dim=0)


def _times(rows: Tensor, u: Tensor) -> Tensor:
    """`m^T u`."""
    return (rows * u.unsqueeze(1)).sum(0)


def _unit(a: Tensor, other: Tensor, least: Tensor | float) -> Tensor:
    """The direction of a, or another where the square of its length is at most the least."""
    square = _dot(a, a)
    return torch.where(square > least, a * square.rsqrt(), other)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return torch.addcmul(torch.addcmul(a[0] * b[0], a[1], b[1]), a[2], b[2])


def _positive(x: Tensor) -> Tensor:
    # With a square that is positive too.
    return x.clamp(min=4 * torch.finfo(x.dtype).tiny ** 0.5)
