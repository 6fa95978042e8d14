"""The base classes of scorers, which are checked before training and score a trained run."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader

from data import Batch, DataModule
from data.order import permutation
from eval.record import Record
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.run.parts import Parts
from ldm.run.sampling import gather

__all__ = ["BatchedScorer", "Scorer", "Shown", "check_samples", "check_split", "to_device"]


class Scorer(ABC):
    """One kind of score of a run.

    Arguments of the constructor are set under `eval` in the configuration, for all scorers that
    have an argument of that name, or in the scorer's own node in the list.
    """

    @abstractmethod
    def check(self, parts: Parts) -> None:
        """Check before training that a run can be scored; fetch missing files.

        Args:
            parts: untrained, with models possibly on the meta device; `prior` is None if there is
                none yet.

        Raises:
            ConfigError: it cannot be scored; the message states what to do.
        """

    @abstractmethod
    def score(self, parts: Parts, record: Record) -> None:
        """Score trained parts on all ranks; write pictures to the run's folder.

        Raises:
            ValueError: problems that `check` would have found.
        """


@dataclass
class BatchedScorer(Scorer):
    """A scorer that works in batches.

    Attributes:
        batch_size: samples per batch on each rank.
        seed: of samples and of all other randomness.

    Raises:
        ValueError: `batch_size` is less than 1, or `seed` is not in [0, 2^63).
    """

    batch_size: int = 250
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1 or not 0 <= self.seed < 2**63:
            raise ValueError(
                f"batch_size must be 1 or more and seed in [0, 2^63), got {self.batch_size} and "
                f"{self.seed}"
            )

    def batches(self, data: DataModule, split: str) -> DataLoader:
        """Batches of this rank's share of a split, in order."""
        rank, world = distributed.rank(), distributed.world()
        return data.ordered_batches(split, self.batch_size * world, rank, world)

    def subset(self, data: DataModule, split: str, most: int) -> Batch:
        """At most so many samples of a split, chosen at random; the same on every rank."""
        dataset = data.dataset_of(split)
        chosen = np.sort(permutation(len(dataset), self.seed)[:most]).tolist()
        cuts = range(0, len(chosen), self.batch_size)
        batches = [dataset.__getitems__(chosen[cut : cut + self.batch_size]) for cut in cuts]
        return {key: torch.cat([batch[key] for batch in batches]) for key in batches[0]}


class Shown:
    """The first samples of a set that ranks share in turn, kept for a picture.

    Args:
        n: number of samples shown.
    """

    def __init__(self, n: int) -> None:
        self.n, self.missing = n, len(range(distributed.rank(), n, distributed.world()))
        self.kept: list[Batch] = []

    def add(self, batch: Batch) -> None:
        """Keep what is needed of this rank's next batch, or none of it."""
        if self.missing or not self.kept:  # ranks beyond `n` keep an empty batch, for its keys
            self.kept.append({key: value[: self.missing] for key, value in batch.items()})
            self.missing -= len(self.kept[-1]["index"])

    def gather(self) -> Batch:
        """Join what all ranks kept: the first `n` samples in order, on every rank."""
        return gather(self.kept, self.n)


def check_split(data: DataModule, split: str, least: int, what: str) -> None:
    """Refuse a split that is too small for a score.

    Raises:
        ConfigError: it has fewer than `least` samples; the message says what needs them.
    """
    n = len(data.dataset_of(split))
    if n < least:
        raise ConfigError(
            f"{what} needs {least} samples or more in the {split} split of {data.name}, which has "
            f"{n}: hold out more, or choose other scorers (eval=none scores nothing)"
        )


def check_samples(samples: int) -> None:
    """Refuse fewer than 2 samples, which have no variance.

    Raises:
        ValueError: `samples` is less than 2.
    """
    if samples < 2:
        raise ValueError(f"samples must be 2 or more, got {samples}")


def to_device(batch: Batch, device: torch.device | None = None) -> Batch:
    """Move the whole batch to a device, by default that of this process."""
    device = device or distributed.device()
    return {key: value.to(device) for key, value in batch.items()}
