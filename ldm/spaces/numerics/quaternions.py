"""Conversions between unit quaternions (w, x, y, z), up to sign, and rotation matrices."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import vector_norm

__all__ = ["quaternion", "rotation"]


def rotation(q: Float[Tensor, "n 4"]) -> Float[Tensor, "n 3 3"]:
    """Compute the rotation matrix of each unit quaternion.

    Example: rotation by pi about the z axis.
        >>> rotation(torch.tensor([[0.0, 0.0, 0.0, 1.0]]))[0].diagonal()
        tensor([-1., -1.,  1.])
    """
    w, x, y, z = q.unbind(-1)
    rows = [
        [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def quaternion(r: Float[Tensor, "n 3 3"]) -> Float[Tensor, "n 4"]:
    """Compute the unit quaternion with w >= 0 of each rotation matrix, precise for every angle.

    Normalises the largest of the four columns of 4 q q^T, which are linear in the matrix; the
    others may vanish (Shepperd 1978, "Quaternion from rotation matrix").
    """
    (a, b, c), (d, e, f), (g, h, i) = (row.unbind(-1) for row in r.unbind(-2))
    columns = torch.stack(
        [
            torch.stack([1 + a + e + i, h - f, c - g, d - b], -1),
            torch.stack([h - f, 1 + a - e - i, b + d, c + g], -1),
            torch.stack([c - g, b + d, 1 - a + e - i, f + h], -1),
            torch.stack([d - b, c + g, f + h, 1 - a - e + i], -1),
        ],
        -2,
    )
    largest = columns.diagonal(dim1=-2, dim2=-1).argmax(-1)
    q = columns.take_along_dim(largest[..., None, None], -2).squeeze(-2)
    q = q / vector_norm(q, dim=-1, keepdim=True)
    return torch.where(q[..., :1] < 0, -q, q)
