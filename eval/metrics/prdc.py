"""Precision, recall, density and coverage: quality and variety told apart by nearest neighbours.

Sources: Kynkäänniemi et al., "Improved precision and recall metric", 2019, equations 1 and 2; Naeem
et al., "Reliable fidelity and diversity metrics", 2020, equations 3 and 4; Khayatkhoei and
AbdAlmageed, "Emergent asymmetry of precision and recall", 2023, for the symmetric pair.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

__all__ = ["PRDC", "prdc_scores"]

SLACK = 1e-9
"""Two computations of one distance differ in rounding: closer than this, relatively, is a tie."""


def prdc_scores(
    real: Float[Tensor, "n dim"],
    fake: Float[Tensor, "m dim"],
    *,
    precision_k: int = 3,
    density_k: int = 5,
    rows: int = 1024,
) -> dict[str, Tensor]:
    """Which points of one set lie in the balls around the points of the other.

    The ball of a point reaches to its k-th nearest other point of its own set. Memory grows as
    `rows * max(n, m)`; distances are float64, so that near neighbours keep their digits.

    Args:
        real: features of the data.
        fake: features of the generated samples; 50,000 against 10,000 real ones in ADM's tables.
        precision_k: for `precision` and `recall`, whose balls are closed (`<=`, as in the code of
            record); 3 in the papers and ADM's tables.
        density_k: for `density`, `coverage` and the symmetric pair, whose balls are open (`<`); 5.
        rows: how many points are compared at once.

    Returns:
        `precision`: share of fake points in some real ball;
        `recall`: share of real points in some fake ball;
        `density`: mean over fake points of the number of real balls around them, divided by k;
        `coverage`: share of real balls that hold a fake point;
        `symmetric_precision`, `symmetric_recall`: the lesser of precision and the share of fake
        balls that hold a real point, and of recall and coverage. Equal `k`s make them the paper's.

    Raises:
        ValueError: a set holds too few points to have a k-th neighbour, or a feature is not finite.

    Example:
        >>> points = torch.arange(10.0)[:, None]
        >>> scores = prdc_scores(points, points + 100)
        >>> [scores[name].item() for name in ("precision", "recall", "density", "coverage")]
        [0.0, 0.0, 0.0, 0.0]
    """
    ks = precision_k, density_k
    if min(len(real), len(fake)) <= max(ks):
        raise ValueError(
            f"{max(ks)} neighbours need more points than that in each set, "
            f"got {len(real)} real and {len(fake)} fake"
        )
    for name, x in {"real": real, "fake": fake}.items():
        bad = int((~x.isfinite()).any(dim=1).sum())
        if bad:
            raise ValueError(
                f"{bad} of {len(x)} {name} features are not finite: look for NaN images"
            )
    # Centred, the products in a squared distance are no larger than need be.
    centre = real.double().mean(dim=0)
    real, fake = real.double() - centre, fake.double() - centre
    closed_real, open_real = _radii(real, ks, rows)
    closed_fake, open_fake = _radii(fake, ks, rows)
    closed_real, closed_fake = closed_real * (1 + SLACK), closed_fake * (1 + SLACK)
    open_real, open_fake = open_real * (1 - SLACK), open_fake * (1 - SLACK)

    precise, filled = (torch.zeros(len(fake), dtype=torch.bool, device=fake.device),) * 2
    recalled, covered, around = [], [], 0
    for start in range(0, len(real), rows):
        part = slice(start, start + rows)
        squared = _squared_distances(real[part], fake)
        inside = squared < open_real[part, None]
        precise = precise | (squared <= closed_real[part, None]).any(dim=0)
        filled = filled | (squared < open_fake).any(dim=0)
        recalled.append((squared <= closed_fake).any(dim=1))
        covered.append(inside.any(dim=1))
        around = around + inside.sum()

    precision, recall = precise.double().mean(), torch.cat(recalled).double().mean()
    coverage = torch.cat(covered).double().mean()
    return {
        "precision": precision,
        "recall": recall,
        "density": around / (density_k * len(fake)),
        "coverage": coverage,
        "symmetric_precision": torch.minimum(precision, filled.double().mean()),
        "symmetric_recall": torch.minimum(recall, coverage),
    }


def _radii(x: Float[Tensor, "n dim"], ks: Sequence[int], rows: int) -> Float[Tensor, "ks n"]:
    """Squared distance from each point to its k-th nearest other point, for each k."""
    nearest = []
    for start in range(0, len(x), rows):
        squared = _squared_distances(x[start : start + rows], x)
        squared.diagonal(start).fill_(torch.inf)  # a point is no neighbour of itself
        nearest.append(squared.topk(max(ks), largest=False).values[:, [k - 1 for k in ks]])
    return torch.cat(nearest).T


def _squared_distances(
    x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"]
) -> Float[Tensor, "n m"]:
    scale = x.square().sum(dim=1)[:, None] + y.square().sum(dim=1)
    squared = torch.addmm(scale, x, y.T, alpha=-2)
    # What is left of equal points is rounding; it has to be zero for balls of zero radius.
    return squared.masked_fill_(squared < 1e-13 * scale, 0)


class PRDC(Metric):
    """`prdc_scores` of all generated against all real features seen, on every rank."""

    higher_is_better = True
    full_state_update = False

    def __init__(self, precision_k: int = 3, density_k: int = 5, rows: int = 1024) -> None:
        super().__init__()
        self.precision_k, self.density_k, self.rows = precision_k, density_k, rows
        self.add_state("real", default=[], dist_reduce_fx="cat")
        self.add_state("fake", default=[], dist_reduce_fx="cat")

    def update(self, features: Float[Tensor, "batch dim"], *, real: bool) -> None:
        (self.real if real else self.fake).append(features.float())

    def compute(self) -> dict[str, Tensor]:
        return prdc_scores(
            dim_zero_cat(self.real),
            dim_zero_cat(self.fake),
            precision_k=self.precision_k,
            density_k=self.density_k,
            rows=self.rows,
        )
