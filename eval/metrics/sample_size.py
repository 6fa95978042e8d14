"""Effective sample size of importance-weighted samples.

Source: Kong, "A note on importance sampling using standardized weights", 1992; as a fraction of the
samples, as in Lou et al., "Scaling Riemannian diffusion models", 2023, on lattice fields.
"""

import math

import torch
from jaxtyping import Float, Float64
from torch import Tensor

__all__ = ["effective_sample_size"]


def effective_sample_size(
    log_target: Float[Tensor, " n"], log_model: Float[Tensor, " n"]
) -> Float64[Tensor, ""]:
    """Compute `(mean w)^2 / mean w^2` of model samples, with `w = exp(log_target - log_model)`.

    The target may be unnormalised: a constant added to either argument changes nothing. Modes of
    the target that the model lacks are not detected, since no samples lie there; that needs a test
    on samples of the target.

    Args:
        log_target: log density of the target up to a constant, such as minus the action of a
            lattice field. Minus infinity where the target is zero.
        log_model: log density of the model with respect to the same measure, nats.

    Returns:
        A fraction in [1/n, 1]: 1 if model and target agree, 1/n if one sample has all the weight.

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
    return share.clamp(1 / len(log_weight), 1)  # remove rounding errors
