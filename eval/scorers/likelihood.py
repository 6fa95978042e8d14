"""The likelihood of held-out points under a prior."""

from dataclasses import dataclass

from eval.record import Record
from eval.scorers.point_scorer import LikelihoodScorer
from eval.scorers.scorer import check_split
from ldm.run.parts import Parts

__all__ = ["HeldOutLikelihood"]

SCORED = {"test": "nll", "val": "nll_val"}
"""Names of the scores of each split."""


@dataclass
class HeldOutLikelihood(LikelihoodScorer):
    """Negative log likelihood in nats per point, with its standard error.

    `nll` and `nll_per_dim` of the test split, `nll_val` of the val split.
    """

    def check(self, parts: Parts) -> None:
        super().check(parts)
        for split in SCORED:
            check_split(parts.data, split, 2, "a standard error")

    def score(self, parts: Parts, record: Record) -> None:
        protocol = self.protocol(parts)
        for split, name in SCORED.items():
            found, calls = self.of_split(parts, record, split)
            nll = -found.mean()
            values = {name: nll, f"{name}_stderr": found.std() / len(found) ** 0.5}
            if split == "test":
                values["nll_per_dim"] = nll / parts.tokenizer.space.dim
            record.add(values, split=split, n=len(found), network_calls=calls, **protocol)
