"""The effective sample size of a prior as an importance sampler of the target."""

from dataclasses import dataclass

from omegaconf import OmegaConf

from eval.metrics import effective_sample_size
from eval.record import Record
from eval.scorers.point_scorer import LikelihoodScorer, SampleScorer
from ldm.run.parts import Parts

__all__ = ["EffectiveSampleSize"]


@dataclass
class EffectiveSampleSize(SampleScorer, LikelihoodScorer):
    """Effective sample size `ess` of samples weighted by the data's `action`, if it is known."""

    def score(self, parts: Parts, record: Record) -> None:
        protocol = self.protocol(parts)
        x = self.draw(parts, record).batch["x"]
        action = parts.data.action(x)
        if action is not None:
            found = effective_sample_size(-action, self.of_points(parts, x))
            sampler = OmegaConf.to_container(parts.config.sampler)
            record.add({"ess": found}, n=len(x), sampler=sampler, **protocol)
