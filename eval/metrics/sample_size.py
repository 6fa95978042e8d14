"""How many samples of the target a model's weighted samples are worth.

Source: Kong, "A note on importance sampling using standardized weights", 1992; a share of the
samples as in Lou et al., "Scaling Riemannian diffusion models", 2023, on lattice fields.
"""

import math

import torch
from jaxtyping import Float, Float64
from torch import Tensor

__all__ = ["effective_sample_size"]


def effective_sample_size(
    log_target: Float[Tensor, " n"], log_model: Float[Tensor, " n"]
) -> Float64[Tensor, ""]:
    """`(mean w)^2 / mean w^2` with `w = exp(log_target - log_model)`, of samples of the model.

    The target needs no partition function: a constant added to either argument changes nothing. A
    part of the target that no sample reached goes unseen, so a model that lacks a mode may score
    high; a test on the target's own samples would tell.

    Args:
        log_target: log density of the target, up to a constant: minus the action of a lattice field
            at its coupling. Minus infinity where the target is zero.
        log_model: log density of the model, nats, against the same measure.

    Returns:
        A share in [1/n, 1]: 1 where the model is the target, 1/n where one sample has all weight.

    Raises:
        ValueError: there are no samples, a log weight is NaN or infinite, or all weights are zero.

    Example: one weight of four is zero.
        >>> target = torch.tensor([7.0, 7.0, 7.0, -torch.inf])
        >>> round(effective_sample_size(target, torch.zeros(4)).item(), 6)
        0.75
    """
    log_weight = log_target.double() - log_model.double()
    bad = (log_weight.isnan() | (log_weight == torch.inf)).sum()
    if bad or not (log_weight > -torch.inf).any():
        raise ValueError(
            "expected finite log weights, or minus infinity for some, "
            f"got {int(bad)} of {len(log_weight)} NaN or infinite, or all weights zero"
        )
    total, total_of_squares = log_weight.logsumexp(0), (2 * log_weight).logsumexp(0)
    share = (2 * total - total_of_squares - math.log(len(log_weight))).exp()
    return share.clamp(1 / len(log_weight), 1)  # rounding
