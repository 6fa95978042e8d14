"""The three planes of a clip's grid: all latents of one place, of one column, or of one row.

Source: Yu et al., "Video Probabilistic Diffusion Models in Projected Latent Space", 2023, section
3.2. Planes are named and ordered as the authors' weights have them.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Planes"]


class Planes(NamedTuple):
    """Sides of a grid `(t, h, w)`, and its planes: `xy` (h, w), `yt` (t, w) and `xt` (t, h).

    Each is what is left of the grid without one of its axes: time, height and width.
    """

    t: int
    h: int
    w: int

    @property
    def sides(self) -> list[tuple[int, int]]:
        """Sides of the planes, in their order."""
        return [(self.h, self.w), (self.t, self.w), (self.t, self.h)]

    @property
    def length(self) -> int:
        """Number of places on all planes."""
        return sum(first * second for first, second in self.sides)

    def split(self, latent: Float[Tensor, "b c length"]) -> list[Float[Tensor, "b c _ _"]]:
        """Cut latents in the three planes."""
        parts = latent.split([first * second for first, second in self.sides], 2)
        return [part.unflatten(2, sides) for part, sides in zip(parts, self.sides, strict=True)]

    @staticmethod
    def join(planes: Iterable[Float[Tensor, "b c _ _"]]) -> Float[Tensor, "b c length"]:
        """Latents of the three planes, one plane after another."""
        return torch.cat([plane.flatten(2) for plane in planes], 2)

    @classmethod
    def of(cls, shape: Sequence[int], patch: int) -> "Planes":
        """Grid of clips `(channels, frames, height, width)` cut in patches of `patch` pixels.

        Raises:
            ValueError: height or width is no multiple of the patch.
        """
        _, t, h, w = shape
        if h % patch or w % patch:
            raise ValueError(f"{h} x {w} pixels are no whole number of patches of {patch} pixels")
        return cls(t, h // patch, w // patch)
