"""The two coordinates of a torus: an angle for each circle, or a pair (cos, sin) for each."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from data.files.errors import DataError

__all__ = ["angles_of", "check_embedding", "embed", "wrap"]


def check_embedding(embedding: str) -> None:
    """Refuse a name that is none."""
    if embedding not in ("angles", "pairs"):
        raise DataError(f"embedding must be 'angles' or 'pairs', got {embedding!r}")


def wrap(angles: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Radians in [0, 2 pi), in float32 too, where the nearest number to 2 pi lies above it."""
    # A small negative angle becomes 2 pi itself when it is rounded.
    wrapped = angles.remainder(2 * math.pi)
    return wrapped.where(wrapped.float() < torch.tensor(2 * math.pi), torch.zeros_like(wrapped))


def embed(angles: Float[Tensor, "n k"], embedding: str) -> Float[Tensor, "n coordinates"]:
    """Radians as coordinates: `(n, k)` in [0, 2 pi), or `(n, 2k)` with circle g at 2g and 2g + 1.

    Example:
        >>> embed(torch.tensor([[0.0, 1.0]]), "pairs")
        tensor([[1.0000, 0.0000, 0.5403, 0.8415]])
    """
    if embedding == "angles":
        return wrap(angles)
    return torch.stack([angles.cos(), angles.sin()], dim=-1).flatten(-2)


def angles_of(x: Float[Tensor, "n coordinates"], embedding: str) -> Float[Tensor, "n k"]:
    """What `embed` was given, in [0, 2 pi)."""
    if embedding == "angles":
        return wrap(x)
    return wrap(torch.atan2(x[..., 1::2], x[..., ::2]))
