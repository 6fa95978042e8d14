"""Base classes of scorers of points: their samples, and log densities of points."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from omegaconf import OmegaConf
from torch import Tensor

from data import Batch, DataModule
from data.points.base import Points
from eval.record import Record
from eval.scorers.scorer import BatchedScorer, check_samples, to_device
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.progress import progress
from ldm.randomness import sample_generators
from ldm.run.parts import Parts
from ldm.run.sampling import draw_share, gather
from ldm.samplers import Likelihood, Unsolved

__all__ = [
    "DrawnPoints",
    "LikelihoodScorer",
    "LogDensities",
    "PointScorer",
    "SampleScorer",
    "all_points",
]


class LogDensities(NamedTuple):
    """Log densities of points.

    Attributes:
        values: nats, with respect to the volume of the data's space, `(n,)`, on the CPU.
        network_calls: number of network calls for the last batch.
    """

    values: Float[Tensor, " n"]
    network_calls: int


class DrawnPoints(NamedTuple):
    """Samples of the prior.

    Attributes:
        batch: all samples, on the CPU.
        network_calls: number of network calls for the last batch.
    """

    batch: Batch
    network_calls: int


@dataclass
class PointScorer(BatchedScorer):
    """A scorer of a prior on points of a space, in any coordinates."""

    batch_size: int = 2000

    def check(self, parts: Parts) -> None:
        """Check that there is a prior, that the data are points, and that they have a val split.

        Raises:
            ConfigError: with what is missing.
        """
        data = parts.data
        if not isinstance(data, Points):
            raise ConfigError(
                f"{data.name} holds no points of a manifold: choose another eval=, classifier or "
                f"inception"
            )
        if "val" not in data.held:
            raise ConfigError(f"{data.name} has no val split: choose another eval=")
        self._refuse_no_prior(parts)

    def protocol(self, parts: Parts) -> dict[str, Any]:
        """Protocol entries common to all scores of one prior.

        Raises:
            ConfigError: there is no prior.
        """
        self._refuse_no_prior(parts)
        return {
            "latent_space": repr(parts.tokenizer.space),
            "process": OmegaConf.to_container(parts.config.prior.process),
            "splits": OmegaConf.to_container(parts.config.data),
            "seed": parts.config.seed,
        }

    def _refuse_no_prior(self, parts: Parts) -> None:
        if parts.prior is None:
            raise ConfigError(
                f"{parts.config.run} has no trained prior to score: finish it with train.py, or "
                f"choose eval=none"
            )


@dataclass
class SampleScorer(PointScorer):
    """A scorer of samples of the prior.

    Attributes:
        samples: number of samples drawn.

    Raises:
        ValueError: `samples` is less than 2.
    """

    samples: int = 2000

    def __post_init__(self) -> None:
        super().__post_init__()
        check_samples(self.samples)

    def draw(self, parts: Parts, record: Record) -> DrawnPoints:
        """Draw the samples, once for all scorers; every rank receives all of them."""

        def make() -> DrawnPoints:
            share = draw_share(parts, self.samples, self.seed, self.batch_size)
            batch = gather((drawn.batch for drawn in share), self.samples)
            return DrawnPoints(batch, parts.prior.network_calls)

        return record.once(("samples", self.samples, self.seed, self.batch_size), make)


@dataclass
class LikelihoodScorer(PointScorer):
    """A scorer of log densities of points under the prior.

    Attributes:
        likelihood: method that computes log densities. Random probes are seeded by the point's
            index, so scores do not depend on batch size or number of processes.
    """

    likelihood: Likelihood = field(default_factory=Likelihood)

    def protocol(self, parts: Parts) -> dict[str, Any]:
        kind = type(self.likelihood)
        target = f"{kind.__module__.rpartition('.')[0]}.{kind.__name__}"  # its exported name
        return {
            "unit": "nats a point, against the volume of the space of the data",
            "likelihood": {"_target_": target, **vars(self.likelihood)},
            **super().protocol(parts),
        }

    def of_split(self, parts: Parts, record: Record, split: str) -> LogDensities:
        """Log densities of a split, computed once for all scorers; every rank receives all."""
        how = repr((self.batch_size, self.seed, self.protocol(parts)["likelihood"]))

        def make() -> LogDensities:
            n = len(parts.data.dataset_of(split))
            return self._find(parts, self.batches(parts.data, split), n, self.likelihood)

        return record.once(("log densities", split, how), make)

    def of_points(
        self, parts: Parts, x: Float[Tensor, "n ..."], likelihood: Likelihood | None = None
    ) -> Float[Tensor, " n"]:
        """Log densities of points that are equal on every rank; every rank receives all.

        Args:
            parts: with a prior.
            x: the points.
            likelihood: replaces the scorer's own.
        """
        mine = torch.arange(len(x))[distributed.rank() :: distributed.world()]
        batches = ({"x": x[part], "index": part} for part in mine.split(self.batch_size))
        return self._find(parts, batches, len(x), likelihood or self.likelihood).values

    def _find(
        self, parts: Parts, batches: Iterable[Batch], n: int, likelihood: Likelihood
    ) -> LogDensities:
        """Compute the log densities of this rank's batches and gather those of all ranks.

        Raises:
            Unsolved: on every rank, if the solver failed on one.
        """
        found, failure = [], None
        with progress("likelihood", -(-n // distributed.world())) as advance:
            for batch in batches:
                try:
                    found.append(self._of_batch(parts, batch, likelihood).cpu())
                except Unsolved as error:
                    failure = error
                    break
                advance(len(batch["index"]))
        otherwise = Unsolved("the likelihood was not found on another process")
        distributed.raise_together(failure, otherwise)
        values = torch.cat([torch.zeros(0), *found])
        return LogDensities(distributed.interleave(values, n), parts.prior.network_calls)

    def _of_batch(self, parts: Parts, batch: Batch, likelihood: Likelihood) -> Float[Tensor, " n"]:
        generators = sample_generators(self.seed, batch["index"].tolist())
        batch = to_device(batch)
        latent = parts.tokenizer.normalize(parts.tokenizer.encode(batch).raw)
        log_prob = parts.prior.log_prob(latent, {}, likelihood, generators)
        return log_prob + parts.tokenizer.log_volume_change(batch["x"])


def all_points(data: DataModule, split: str) -> Float[Tensor, "n ..."]:
    """Points of a split, in order."""
    return torch.cat([batch["x"] for batch in data.ordered_batches(split, 4096)])
