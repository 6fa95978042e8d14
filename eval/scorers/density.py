"""A picture of a prior's density on its space."""

import warnings
from dataclasses import dataclass

from eval.record import Record
from eval.scorers.point_scorer import LikelihoodScorer, SampleScorer, all_points
from ldm import distributed
from ldm.run.parts import Parts
from ldm.samplers import Likelihood, Unsolved

__all__ = ["Density"]

PEAKS = 1000  # samples around which the density is refined; each costs several likelihoods
SEEN = 1e-3  # solver tolerance of likelihoods in a picture: colours resolve no more


@dataclass
class Density(SampleScorer, LikelihoodScorer):
    """Writes `density.png`, for data that have a `chart` of their space.

    Attributes:
        samples: number of samples drawn, to show and to locate the peaks.
    """

    def score(self, parts: Parts, record: Record) -> None:
        self.protocol(parts)  # raises for runs without a prior
        chart = parts.data.chart()
        if chart is None:
            return
        x = self.draw(parts, record).batch["x"]
        seen = Likelihood(tolerance=max(self.likelihood.tolerance, SEEN))
        try:
            log_density = chart.values(lambda y: self.of_points(parts, y, seen), x[:PEAKS])
        except Unsolved as error:  # far from all data; the scores are not affected
            warnings.warn(f"no density is drawn: {error}", stacklevel=2)
            return
        if distributed.rank() == 0:
            record.show("density", chart.draw(all_points(parts.data, "test"), x, log_density))
