"""Comparison of sampled points with data: maximum mean discrepancy and a picture."""

from dataclasses import dataclass

from jaxtyping import Float
from omegaconf import OmegaConf
from torch import Tensor

from eval.metrics import GaussianKernel, discrepancy, median_distance
from eval.record import Record
from eval.scorers.point_scorer import SampleScorer, all_points
from eval.scorers.scorer import check_split
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.run.parts import Parts

__all__ = ["Discrepancy"]


@dataclass
class Discrepancy(SampleScorer):
    """Maximum mean discrepancy between samples and the test split; writes `samples.png`.

    `mmd2`, and `mmd2_null_std`, its standard deviation if both sets had the same distribution.

    Attributes:
        samples: number of samples drawn, and maximal number of test points.
    """

    def check(self, parts: Parts) -> None:
        super().check(parts)
        check_split(parts.data, "test", 2, "a discrepancy")
        try:
            self._kernel(self._reference(parts))
        except ValueError as error:
            raise ConfigError(
                f"the discrepancy from the test split of {parts.data.name} cannot be measured "
                f"({error}): most of its points are equal; leave the scorer out of eval.scorers"
            ) from error

    def score(self, parts: Parts, record: Record) -> None:
        protocol = self.protocol(parts)
        batch, calls = self.draw(parts, record)
        x, test = parts.tokenizer.space.embed(batch["x"]), self._reference(parts)
        found = discrepancy(x, test, self._kernel(test))
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

    def _reference(self, parts: Parts) -> Float[Tensor, "n _"]:
        """Embed the test points that samples are compared with."""
        return parts.tokenizer.space.embed(all_points(parts.data, "test")[: self.samples])

    def _kernel(self, test: Float[Tensor, "n _"]) -> GaussianKernel:
        return GaussianKernel(median_distance(test).item())
