"""How well a score, such as a log-likelihood, tells a model's own kind of data from others.

Sources: Hendrycks and Gimpel, "A baseline for detecting misclassified and out-of-distribution
examples", 2017, for the areas; Liang et al., "Enhancing the reliability of out-of-distribution
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
    """Areas and error rates of the detector "in distribution where the score is high".

    All depend on the order of the scores alone. So none is squashed into [0, 1] first, where
    log-likelihoods of thousands of nats would all become 0 or 1.

    Args:
        inside: test scores of the distribution that the model was trained on.
        outside: scores of other data.
        validation: further scores of the model's own distribution, which were neither trained on
            nor are in `inside`, to set a threshold as one could before any test.

    Returns:
        Shares in [0, 1]:
        `auroc`: probability that a score inside is above one outside, a tie counting half;
        `aupr_in`, `aupr_out`: average precision with inside, and with outside as the positives;
        `fpr95_test`: of `outside` at or above the highest threshold that 95 % of `inside` reach;
        `fpr95_val`: of `outside` at or above the highest that 95 % of `validation` reach (Lou et
        al., "Scaling Riemannian diffusion models", 2023), and `tpr_val`, of `inside` there. The
        last two are there where `validation` is.

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
    # A score that occurred, not one interpolated: ties at the threshold then count as they should.
    place = len(scores) // 20
    return scores[place : place + 1]


def _reached(
    scores: Float64[Tensor, " n"], thresholds: Float64[Tensor, " k"]
) -> Float64[Tensor, " k"]:
    """How many scores, sorted, are at each threshold or above."""
    return (len(scores) - torch.searchsorted(scores, thresholds)).double()


def _average_precision(
    positive: Float64[Tensor, " n"], negative: Float64[Tensor, " m"]
) -> Float64[Tensor, ""]:
    """Mean, over the positives, of the precision with the threshold at their score."""
    true, false = _reached(positive, positive), _reached(negative, positive)
    return (true / (true + false)).mean()
