"""The condition of a clip on frames of its own that are given."""

import torch
from torch import Tensor

from ldm.conditioning.conditioning import Conditioning

__all__ = ["WithFrames"]

KEYS = ("frames", "frames_given", "frames_level")


class WithFrames(Conditioning):
    """Conditions of a clip, and latents of frames that are given, if there are any.

    A batch has them as `frames` `(n, c, t, ...)`, noised; `frames_given` `(n, t)`, which they are;
    and `frames_level` `(n,)`, the time to which they are noised. To be given none is the null
    condition by which guidance is done. Training decides itself which are given, see
    `ldm.priors.FrameConditional`.

    Args:
        clip: conditions of the clip.
    """

    def __init__(self, clip: Conditioning) -> None:
        super().__init__(clip.always, **clip.dropped)

    @property
    def active(self) -> bool:
        """True: frames are a condition, which training leaves away at times."""
        return True

    def read(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return {**super().read(batch), **{key: batch[key] for key in KEYS if key in batch}}

    def null(self, condition: dict[str, Tensor]) -> dict[str, Tensor]:
        empty = super().null(condition)
        if "frames_given" in empty:
            empty["frames_given"] = torch.zeros_like(empty["frames_given"])
            empty["frames_level"] = torch.full_like(empty["frames_level"], -1)
        return empty

    def brief(self) -> "WithFrames":
        return WithFrames(super().brief())
