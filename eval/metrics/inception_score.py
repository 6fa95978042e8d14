"""Inception score, which is high for confident and diverse class predictions.

Source: Salimans et al., "Improved techniques for training GANs", 2016, section 4.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

__all__ = ["InceptionScore", "inception_score"]


def inception_score(
    logits: Float[Tensor, "n classes"],
    *,
    splits: int = 10,
    part: int | None = None,
    seed: int | None = 0,
) -> dict[str, Tensor]:
    """Compute `exp` of the mean KL divergence of `p(class | image)` from the marginal, per split.

    Args:
        logits: classifier logits; by convention Inception's 1008 without their bias.
        splits: number of parts of (nearly) equal size, each scored alone.
        part: size of a part in place of their number, 5,000 in ADM's evaluator; the last may be
            smaller.
        seed: seed of the shuffle before splitting. None keeps the order, as ADM's evaluator does;
            images sorted by class then score far too low.

    Returns:
        `mean` over the splits, between one and the number of classes, and their standard deviation
        `std` (ddof 0).

    Raises:
        ValueError: there are fewer images than splits.

    Example:
        >>> round(inception_score(100 * torch.eye(10), splits=1)["mean"].item(), 3)
        10.0
    """
    if part is not None:
        splits = -(-len(logits) // part)
    if len(logits) < max(splits, 1):
        raise ValueError(f"{splits} splits need as many pictures or more, got {len(logits)}")
    if seed is not None:
        # Sort first, since the gathered order depends on the number of ranks.
        logits = logits[logits.log_softmax(1)[:, 0].argsort(stable=True)]
        generator = torch.Generator().manual_seed(seed)
        logits = logits[torch.randperm(len(logits), generator=generator).to(logits.device)]
    parts = logits.tensor_split(splits) if part is None else logits.split(part)
    scores = torch.stack([_score(one) for one in parts])
    return {"mean": scores.mean(), "std": scores.std(correction=0)}


def _score(logits: Float[Tensor, "n classes"]) -> Float[Tensor, ""]:
    log_p = logits.double().log_softmax(dim=1)
    log_marginal = log_p.logsumexp(dim=0) - torch.tensor(float(len(log_p))).log()
    return (log_p.exp() * (log_p - log_marginal)).sum(dim=1).mean().exp()


class InceptionScore(Metric):
    """`inception_score` of all logits seen on all ranks."""

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
