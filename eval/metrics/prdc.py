"""Precision, recall, density and coverage: fidelity and diversity by nearest neighbours.

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
"""Relative difference of squared distances that counts as a tie, to allow for rounding."""


def prdc_scores(
    real: Float[Tensor, "n dim"],
    fake: Float[Tensor, "m dim"],
    *,
    precision_k: int = 3,
    density_k: int = 5,
    rows: int = 1024,
) -> dict[str, Tensor]:
    """Compute precision, recall, density and coverage from k-nearest-neighbour balls.

    The ball of a point has the distance to its k-th nearest neighbour in its own set as radius.
    Memory grows as `rows * max(n, m)`; distances are float64, for the precision of small ones.

    Args:
        real: features of the data.
        fake: features of generated samples; ADM's tables use 50,000 against 10,000 real ones.
        precision_k: k of `precision` and `recall`, with closed balls (`<=`, as in the authors'
            code); 3 in the papers and ADM's tables.
        density_k: k of `density`, `coverage` and the symmetric pair, with open balls (`<`);
            usually 5.
        rows: number of points compared at once.

    Returns:
        `precision`: fraction of fake points in some real ball;
        `recall`: fraction of real points in some fake ball;
        `density`: mean over fake points of the number of real balls that contain them, over k;
        `coverage`: fraction of real balls that contain a fake point;
        `symmetric_precision`: minimum of precision and the fraction of fake balls that contain a
        real point; `symmetric_recall`: minimum of recall and coverage. The paper uses equal k.

    Raises:
        ValueError: a set has no more than k points, or a feature is not finite.

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
    # Centre the features to reduce cancellation in squared distances.
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
    """Compute the squared distance from each point to its k-th nearest other point, for each k."""
    nearest = []
    for start in range(0, len(x), rows):
        squared = _squared_distances(x[start : start + rows], x)
        squared.diagonal(start).fill_(torch.inf)  # exclude the point itself
        nearest.append(squared.topk(max(ks), largest=False).values[:, [k - 1 for k in ks]])
    return torch.cat(nearest).T


def _squared_distances(
    x: Float[Tensor, "n dim"], y: Float[Tensor, "m dim"]
) -> Float[Tensor, "n m"]:
    scale = x.square().sum(dim=1)[:, None] + y.square().sum(dim=1)
    squared = torch.addmm(scale, x, y.T, alpha=-2)
    # Equal points must have distance exactly zero, for balls of zero radius.
    return squared.masked_fill_(squared < 1e-13 * scale, 0)


class PRDC(Metric):
    """`prdc_scores` of all generated against all real features seen on all ranks."""

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
