"""Shapes of tensors that hold one number for each sample."""

from jaxtyping import Float
from torch import Tensor

__all__ = ["like"]


def like(scale: Float[Tensor, " n"], x: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
    """One number a sample, shaped to multiply `x`, in its dtype."""
    return scale.to(x.dtype).view(-1, *[1] * (x.ndim - 1))
