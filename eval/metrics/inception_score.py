"""Inception score: sure of each picture, varied over all of them.

Source: Salimans et al., "Improved techniques for training GANs", 2016, section 4.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

__all__ = ["InceptionScore", "inception_score"]


def inception_score(
    logits: Float[Tensor, "n classes"], *, splits: int = 10, seed: int | None = 0
) -> dict[str, Tensor]:
    """`exp` of the mean divergence of `p(class | picture)` from their mean, over several splits.

    Args:
        logits: of a classifier; Inception's 1008 without their bias, by the field's convention.
        splits: parts of as equal sizes as can be, each scored alone.
        seed: of the shuffle before the split, made on the CPU. None keeps the order, as ADM's
            evaluator does; then pictures sorted by class score far too low.

    Returns:
        `mean` over the splits, between one and the number of classes, and their `std`, divided by
        the number of splits (ddof 0).

    Raises:
        ValueError: there are fewer pictures than splits.

    Example:
        >>> round(inception_score(100 * torch.eye(10), splits=1)["mean"].item(), 3)
        10.0
    """
    if len(logits) < splits:
        raise ValueError(f"{splits} splits need as many pictures or more, got {len(logits)}")
    if seed is not None:
        # Sorted first: ranks hand in theirs one after the other, however many they are.
        logits = logits[logits.log_softmax(1)[:, 0].argsort(stable=True)]
        generator = torch.Generator().manual_seed(seed)
        logits = logits[torch.randperm(len(logits), generator=generator).to(logits.device)]
    scores = torch.stack([_score(part) for part in logits.tensor_split(splits)])
    return {"mean": scores.mean(), "std": scores.std(correction=0)}


def _score(logits: Float[Tensor, "n classes"]) -> Float[Tensor, ""]:
    log_p = logits.double().log_softmax(dim=1)
    log_marginal = log_p.logsumexp(dim=0) - torch.tensor(float(len(log_p))).log()
    return (log_p.exp() * (log_p - log_marginal)).sum(dim=1).mean().exp()


class InceptionScore(Metric):
    """`inception_score` of all logits seen, on every rank."""

    higher_is_better = True
    full_state_update = False

    def __init__(self, splits: int = 10, seed: int | None = 0) -> None:
        super().__init__()
        self.splits, self.seed = splits, seed
        self.add_state("logits", default=[], dist_reduce_fx="cat")

    def update(self, logits: Float[Tensor, "batch classes"]) -> None:
        self.logits.append(logits.float())

    def compute(self) -> dict[str, Tensor]:
        return inception_score(dim_zero_cat(self.logits), splits=self.splits, seed=self.seed)
