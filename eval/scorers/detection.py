"""Out-of-distribution detection by the likelihood of a prior."""

from dataclasses import dataclass

from eval.metrics import detection_scores
from eval.record import Record
from eval.scorers.point_scorer import LikelihoodScorer
from ldm.run.parts import Parts

__all__ = ["Detection"]


@dataclass
class Detection(LikelihoodScorer):
    """Detection of each out-of-distribution set of the data (`outside`) by log density.

    `auroc_<set>` and the other scores of `eval.metrics.detection_scores`, of the test split against
    the set; thresholds are set on the val split.
    """

    def check(self, parts: Parts) -> None:
        super().check(parts)
        for name in parts.data.outside:
            parts.data.ood_dataset(name)

    def score(self, parts: Parts, record: Record) -> None:
        protocol = self.protocol(parts)
        for name in parts.data.outside:
            test, val = (self.of_split(parts, record, split).values for split in ("test", "val"))
            outside = self.of_points(parts, parts.data.ood_dataset(name).points)
            found = detection_scores(test, outside, val)
            kept = {"inside": "test", "outside": name, "validation": "val", "score": "log density"}
            kept |= {"n": len(test), "n_outside": len(outside), "n_validation": len(val)}
            record.add({f"{key}_{name}": value for key, value in found.items()}, **kept, **protocol)
