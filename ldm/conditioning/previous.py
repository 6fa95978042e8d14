"""The condition of a window of latents on the window before it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ldm.conditioning.conditioning import Conditioning

__all__ = ["WithPrevious"]


class WithPrevious(Conditioning):
    """Conditions of a window: those of its clip, and `previous`, latents of the window before it.

    Zeros stand for none; they are also the null condition by which guidance is done. Training
    decides itself when they are given, see `ldm.priors.Successive`.

    Args:
        clip: conditions of the clip.
        shape: of the latents of a window.
    """

    def __init__(self, clip: Conditioning, shape: Sequence[int]) -> None:
        super().__init__(clip.always, **clip.dropped)
        self.shape = tuple(shape)

    @property
    def active(self) -> bool:
        """True: the window before is a condition, which training leaves away at times."""
        return True

    def read(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return {**super().read(batch), "previous": batch["previous"]}

    def null(self, condition: dict[str, Tensor]) -> dict[str, Tensor]:
        return {**super().null(condition), "previous": torch.zeros_like(condition["previous"])}

    def example(self, n: int) -> dict[str, Tensor]:
        return {**super().example(n), "previous": torch.zeros(n, *self.shape)}

    def brief(self) -> "WithPrevious":
        return WithPrevious(super().brief(), self.shape)
