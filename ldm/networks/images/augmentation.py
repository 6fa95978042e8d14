"""Differentiable augmentation of what a discriminator sees, real and generated alike.

Source: Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", 2020, section 3.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["AUGMENTATIONS", "augmented", "check_augmentations"]

Images = Float[Tensor, "b c h w"]

SHIFT = 0.125  # of a side, at most
HOLE = 0.2  # of a side


def color(x: Images) -> Images:
    """Change brightness by up to 0.5, saturation up to twofold, and contrast by up to a half."""
    x = x + _uniform(x) - 0.5
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (2 * _uniform(x))
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (x - mean) * (_uniform(x) + 0.5)


def translation(x: Images) -> Images:
    """Shift images by up to an eighth of a side in whole pixels; zeros come in."""
    places = []
    for axis in (2, 3):
        side = x.shape[axis]
        most = int(side * SHIFT + 0.5)
        shift = torch.randint(-most, most + 1, (len(x), 1), device=x.device)
        # One beyond the image, on both sides, is a zero.
        places.append((torch.arange(side, device=x.device) + shift + 1).clamp(0, side + 1))
    rows, columns = places
    sample = torch.arange(len(x), device=x.device)[:, None, None]
    padded = F.pad(x, (1, 1, 1, 1)).movedim(1, 3)
    return padded[sample, rows[:, :, None], columns[:, None]].movedim(3, 1)


def cutout(x: Images) -> Images:
    """Set a square of a fifth of the side to zero, a part of which may lie outside the image."""
    inside = []
    for axis in (2, 3):
        side = x.shape[axis]
        hole = int(side * HOLE + 0.5)
        start = torch.randint(-(hole // 2), side - hole // 2 + 1, (len(x), 1), device=x.device)
        place = torch.arange(side, device=x.device)
        inside.append((place >= start) & (place < start + hole))
    rows, columns = inside
    return x.masked_fill((rows[:, :, None] & columns[:, None])[:, None], 0)


AUGMENTATIONS = {"color": color, "translation": translation, "cutout": cutout}


def check_augmentations(names: Sequence[str]) -> None:
    """Refuse augmentations that do not exist.

    Raises:
        ValueError: a name is unknown.
    """
    if unknown := [name for name in names if name not in AUGMENTATIONS]:
        raise ValueError(f"no augmentation {unknown[0]!r}: choose of {', '.join(AUGMENTATIONS)}")


def augmented(x: Images, names: Sequence[str]) -> Images:
    """Augment images by `AUGMENTATIONS`, in their order, with torch's global generator.

    Example:
        >>> augmented(torch.zeros(2, 3, 8, 8), ["translation", "cutout"]).abs().max().item()
        0.0
    """
    for name in names:
        x = AUGMENTATIONS[name](x)
    return x


def _uniform(x: Images) -> Float[Tensor, "b 1 1 1"]:
    """One number in [0, 1) for each image."""
    return torch.rand(len(x), 1, 1, 1, dtype=x.dtype, device=x.device)
