"""Shapes and widths of tensors."""

from jaxtyping import Float
from torch import Tensor

__all__ = ["WITHOUT_FLOAT64", "like", "widest"]

WITHOUT_FLOAT64 = {"mps"}
"""Types of devices that cannot hold float64: Apple's GPUs."""


def like(scale: Float[Tensor, " n"], x: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
    """One number a sample, shaped to multiply `x`, in its dtype."""
    return scale.to(x.dtype).view(-1, *[1] * (x.ndim - 1))


def widest(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """`x` in float64, or in float32 on a device that has no float64."""
    return x.float() if x.device.type in WITHOUT_FLOAT64 else x.double()
