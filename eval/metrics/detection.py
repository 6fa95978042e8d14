"""Out-of-distribution detection by a score, such as a log-likelihood.

Sources: Hendrycks and Gimpel, "A baseline for detecting misclassified and out-of-distribution
examples", 2017, for AUROC and AUPR; Liang et al., "Enhancing the reliability of out-of-distribution
image detection", 2018, for the false positive rate at 95 % true positives.
"""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

__all__ = ["detection_scores"]


def detection_scores(
    inside: Float[Tensor, " n"],
    outside: Float[Tensor, " m"],
    validation: Float[Tensor, " k"] | None = None,
) -> dict[str, Tensor]:
    """Compute AUROC, AUPR and FPR95 of a detector that calls high scores in distribution.

    All metrics depend on the order of the scores only. Scores are not squashed to [0, 1], which
    would map log-likelihoods of thousands of nats to 0 or 1.

    Args:
        inside: test scores of in-distribution data.
        outside: scores of an out-of-distribution set.
        validation: scores of further in-distribution data, neither trained on nor in `inside`, from
            which a threshold can be set before testing.

    Returns:
        Fractions in [0, 1]:
        `auroc`: probability that an in-distribution score exceeds an out-of-distribution score,
        ties counting one half;
        `aupr_in`, `aupr_out`: average precision with `inside`, or `outside`, as positives;
        `fpr95_test`: fraction of `outside` at or above the threshold that 95 % of `inside` reach;
        `fpr95_val`: the same for the threshold that 95 % of `validation` reach (Lou et al.,
        "Scaling Riemannian diffusion models", 2023), and `tpr_val`, the fraction of `inside` at or
        above it. The last two are returned only if `validation` is given.

    Raises:
        ValueError: there are no scores, or some are NaN.

    Example:
        >>> scores = detection_scores(torch.tensor([0.0, 2.0, 3.0]), torch.tensor([-1.0, 1.0]))
        >>> {name: round(value.item(), 3) for name, value in scores.items()}
        {'auroc': 0.833, 'aupr_in': 0.917, 'aupr_out': 0.833, 'fpr95_test': 0.5}
    """
    inside, outside = _sorted(inside, "inside"), _sorted(outside, "outside")
    below = torch.searchsorted(outside, inside) + torch.searchsorted(outside, inside, right=True)
    scores = {
        "auroc": below.double().mean() / (2 * len(outside)),
        "aupr_in": _average_precision(inside, outside),
        "aupr_out": _average_precision(-outside.flip(0), -inside.flip(0)),
        "fpr95_test": _reached(outside, _threshold(inside))[0] / len(outside),
    }
    if validation is not None:
        threshold = _threshold(_sorted(validation, "validation"))
        scores["fpr95_val"] = _reached(outside, threshold)[0] / len(outside)
        scores["tpr_val"] = _reached(inside, threshold)[0] / len(inside)
    return scores


def _sorted(scores: Float[Tensor, " n"], name: str) -> Float64[Tensor, " n"]:
    if not len(scores) or scores.isnan().any():
        raise ValueError(
            f"expected scores without NaN, got {int(scores.isnan().sum())} of {len(scores)} {name}"
        )
    return scores.double().sort().values


def _threshold(scores: Float64[Tensor, " n"]) -> Float64[Tensor, " 1"]:
    # An observed score, not an interpolated one, so that ties at the threshold are counted exactly.
    place = len(scores) // 20
    return scores[place : place + 1]


def _reached(
    scores: Float64[Tensor, " n"], thresholds: Float64[Tensor, " k"]
) -> Float64[Tensor, " k"]:
    """Count sorted scores at or above each threshold."""
    return (len(scores) - torch.searchsorted(scores, thresholds)).double()


def _average_precision(
    positive: Float64[Tensor, " n"], negative: Float64[Tensor, " m"]
) -> Float64[Tensor, ""]:
    """Average over positives the precision with the threshold at their score."""
    true, false = _reached(positive, positive), _reached(negative, positive)
    return (true / (true + false)).mean()
