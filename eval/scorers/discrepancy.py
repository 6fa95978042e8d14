"""Comparison of sampled points with data: maximum mean discrepancy and a picture."""

from dataclasses import dataclass

from omegaconf import OmegaConf

from eval.metrics import GaussianKernel, discrepancy, median_distance
from eval.record import Record
from eval.scorers.point_scorer import SampleScorer, all_points
from ldm import distributed
from ldm.run.parts import Parts

__all__ = ["Discrepancy"]


@dataclass
class Discrepancy(SampleScorer):
    """Maximum mean discrepancy between samples and the test split; writes `samples.png`.

    `mmd2`, and `mmd2_null_std`, its standard deviation if both sets had the same distribution.

    Attributes:
        samples: number of samples drawn, and maximal number of test points.
    """

    def score(self, parts: Parts, record: Record) -> None:
        protocol = self.protocol(parts)
        batch, calls = self.draw(parts, record)
        embed = parts.tokenizer.space.embed
        x, test = embed(batch["x"]), embed(all_points(parts.data, "test")[: self.samples])
        found = discrepancy(x, test, GaussianKernel(median_distance(test).item()))
        record.add(
            {"mmd2": found.unbiased, "mmd2_null_std": found.null_std},
            n=len(x),
            n_reference=len(test),
            sampler=OmegaConf.to_container(parts.config.sampler),
            network_calls=calls,
            kernel="Gaussian of chords, their median in the test split for bandwidth",
            **protocol,
        )
        if distributed.rank() == 0:
            record.show("samples", parts.data.show(batch))
