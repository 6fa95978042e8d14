"""Frames of clips, for losses by networks of images.

Sources: He et al. 2022 (LVDM) compares every frame; Yu et al. 2023 (PVDM) one random frame a clip.
"""

from collections.abc import Callable

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

__all__ = ["FRAMES", "every_frame", "frames_of", "random_frame"]

Clip = Float[Tensor, "b c t h w"]
Frames = Float[Tensor, "n c h w"]


def every_frame(*clips: Clip) -> tuple[Frames, ...]:
    """Return all frames of each batch of clips, those of one clip after another."""
    return tuple(rearrange(clip, "b c t h w -> (b t) c h w") for clip in clips)


def random_frame(*clips: Clip) -> tuple[Frames, ...]:
    """Draw a frame of each clip; at the same times in all batches.

    The times come from torch's global generator, which training seeds anew at each step.
    """
    b, _, t, _, _ = clips[0].shape
    # On the CPU, so that the frames do not depend on the device.
    times = torch.randint(t, (b,), device="cpu")
    return tuple(
        clip[torch.arange(b, device=clip.device), :, times.to(clip.device)] for clip in clips
    )


FRAMES = {"every": every_frame, "random": random_frame}
"""Which frames of a clip a loss sees, by name."""


def frames_of(name: str | None) -> Callable[..., tuple[Tensor, ...]]:
    """Return the function in `FRAMES` of this name; for None, the one that returns its arguments.

    Raises:
        ValueError: the name is unknown.
    """
    if name is None:
        return lambda *data: data
    if name not in FRAMES:
        raise ValueError(f"frames is one of {', '.join(FRAMES)}, or null, found {name!r}")
    return FRAMES[name]
