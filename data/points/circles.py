"""Two coordinate systems of a torus: one angle per circle, or one pair (cos, sin) per circle."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from data.files.errors import DataError

__all__ = ["angles_of", "check_embedding", "embed", "wrap"]


def check_embedding(embedding: str) -> None:
    """Raise DataError unless the name is "angles" or "pairs"."""
    if embedding not in ("angles", "pairs"):
        raise DataError(f"embedding must be 'angles' or 'pairs', got {embedding!r}")


def wrap(angles: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Reduce angles to [0, 2 pi), also after a conversion to float32."""
    # Small negative angles are rounded to 2 pi, which must become 0.
    wrapped = angles.remainder(2 * math.pi)
    return wrapped.where(wrapped.float() < torch.tensor(2 * math.pi), torch.zeros_like(wrapped))


def embed(angles: Float[Tensor, "n k"], embedding: str) -> Float[Tensor, "n coordinates"]:
    """Convert radians to `(n, k)` angles in [0, 2 pi), or `(n, 2k)` pairs, circle g at 2g, 2g + 1.

    Example:
        >>> embed(torch.tensor([[0.0, 1.0]]), "pairs")
        tensor([[1.0000, 0.0000, 0.5403, 0.8415]])
    """
    if embedding == "angles":
        return wrap(angles)
    return torch.stack([angles.cos(), angles.sin()], dim=-1).flatten(-2)


def angles_of(x: Float[Tensor, "n coordinates"], embedding: str) -> Float[Tensor, "n k"]:
    """Invert `embed`: angles in [0, 2 pi)."""
    if embedding == "angles":
        return wrap(x)
    return wrap(torch.atan2(x[..., 1::2], x[..., ::2]))
