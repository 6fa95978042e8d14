"""Check of encoder features, and their conversion to full precision."""

from jaxtyping import Float
from torch import Tensor

__all__ = ["full_precision"]


def full_precision(
    h: Float[Tensor, "batch channels *grid"], channels: int
) -> Float[Tensor, "batch channels *grid"]:
    """Convert features to at least float32, so that bottlenecks give the same under autocast.

    Raises:
        ValueError: the features do not have this number of channels.
    """
    if h.shape[1] != channels:
        raise ValueError(
            f"the bottleneck reads {channels} channels, got features of {h.shape[1]}: "
            f"build the encoder with {channels} output channels"
        )
    return h.float() if h.element_size() < 4 else h
