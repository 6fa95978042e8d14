"""Respacing: the times of a diffusion at which a sampler of fewer steps stops.

The spacings are those of Lin et al. 2024, "Common Diffusion Noise Schedules and Sample Steps are
Flawed", table 2. Where the number of steps does not divide the number of times, distances between
stops are `total / steps`, rounded.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["SPACINGS", "spaced", "whole"]

SPACINGS = ("trailing", "floored", "leading", "linspace")


def spaced(
    spacing: str, total: int, steps: int, offset: int = 0, skipped: int = 0
) -> Int[Tensor, " times"]:
    """Whole times, falling from noise; as many as asked, but fewer where an offset repeats one.

    Args:
        spacing: `trailing` includes the noisiest time, `leading` time 0, `linspace` (DiT's) both;
            `floored` (PVDM's) is `trailing` with times rounded down.
        total: number of times of the diffusion, 0 to total - 1.
        steps: number of times wanted.
        offset: added to all times of `leading`; 1 in latent diffusion.
        skipped: times at the end that are left out, of `leading` and `linspace`.

    Example:
        >>> spaced("trailing", 1000, 4).tolist()
        [999, 749, 499, 249]
    """
    number = torch.arange(steps, dtype=torch.float64)
    if steps == 1:
        times = torch.tensor([total - 1.0])  # there is noise at the start, whatever the spacing
    elif spacing == "trailing":
        times = (total - number * total / steps).round() - 1
    elif spacing == "floored":
        times = (total - number * total / steps - 1).floor()
    elif spacing == "leading":
        times = (number + skipped) * total // (steps + skipped) + offset
    else:
        times = (total - 1) * (1 - number / (steps - 1 + skipped))
    return whole(times, total)


def whole(times: Float[Tensor, " times"], total: int) -> Int[Tensor, " fewer"]:
    """Nearest times of the diffusion, each once, falling."""
    return times.round().long().clamp(0, total - 1).unique().flip(0)
