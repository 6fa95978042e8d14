"""Fitting a time embedding of the published frequencies to those of diffusers' DiT.

The published DiT reads a time t as sines and cosines of `t 1e4^(-i / 128)`, diffusers' of
`t 1e4^(-i / 127)`. The latter cannot express the former for all 1000 times, but at the few dozen
that a sampler stops at, a linear map between them is exact; it goes into the first layer.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["fitted"]

FREQUENCIES = 128
EXACT = 1e4  # weight of the sampler's times among all times
RIDGE = 0.1  # weight of staying near the identity, by which rounding stays small
TOLERANCE = 1e-4


def fitted(
    weight: Float[Tensor, "width waves"], times: Int[Tensor, " n"], steps: int = 1000
) -> Float[Tensor, "width waves"]:
    """Fit the first layer of a time embedding, so that diffusers' frequencies give the same.

    Args:
        weight: of a layer that reads the published waves.
        times: where it must be exact; at all others it is as close as possible.
        steps: number of all times.

    Raises:
        ValueError: it cannot be exact at so many times.
    """
    times = times.long().cpu()
    published, theirs = waves(torch.arange(steps), 0), waves(torch.arange(steps), 1)
    scale = torch.ones(steps, 1, dtype=torch.float64)
    scale[times] = EXACT
    ridge = RIDGE * torch.eye(2 * FREQUENCIES, dtype=torch.float64)
    change = torch.linalg.lstsq(
        torch.cat([scale * theirs, ridge]),
        torch.cat([scale * (published - theirs), torch.zeros_like(ridge)]),
    ).solution
    fit = (weight.double() @ (torch.eye(len(change), dtype=torch.float64) + change).mT).to(weight)
    error = published[times] @ weight.double().mT - theirs[times] @ fit.double().mT
    if error.abs().max() > TOLERANCE * (published[times] @ weight.double().mT).abs().max():
        raise ValueError(f"no first layer gives the same at {len(times)} times")
    return fit


def waves(t: Int[Tensor, " n"], frequency_shift: int) -> Float[Tensor, "n waves"]:
    """Cosines and sines of times, in float64; see `ldm.networks.embedders.TimestepEmbedder`."""
    exponent = torch.arange(FREQUENCIES, dtype=torch.float64) / (FREQUENCIES - frequency_shift)
    angle = t[:, None] * 1e4**-exponent
    return torch.cat([angle.cos(), angle.sin()], 1)
