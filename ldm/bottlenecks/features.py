"""Encoder features as bottlenecks read them: of the right width, in full precision."""

from jaxtyping import Float
from torch import Tensor

__all__ = ["full_precision"]


def full_precision(
    h: Float[Tensor, "batch channels *grid"], channels: int
) -> Float[Tensor, "batch channels *grid"]:
    """Features in float32 or better, so that a bottleneck computes the same under autocast.

    Raises:
        ValueError: the encoder gives another number of channels than the bottleneck reads.
    """
    if h.shape[1] != channels:
        raise ValueError(
            f"the bottleneck reads {channels} channels, got features of {h.shape[1]}: "
            f"build the encoder with {channels} output channels"
        )
    return h.float() if h.element_size() < 4 else h
