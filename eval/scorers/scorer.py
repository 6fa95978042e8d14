"""Interface of scorers: each is checked before training, and scores a trained run."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader

from data import Batch, DataModule
from eval.record import Record
from ldm import distributed
from ldm.run.parts import Parts

__all__ = ["BatchedScorer", "Scorer", "check_samples", "to_device"]


class Scorer(ABC):
    """One kind of score of a run.

    The arguments of its constructor may be given under `eval` in the configuration, where all
    scorers that have an argument of that name get it, or at the scorer's own place in the list.
    """

    @abstractmethod
    def check(self, parts: Parts) -> None:
        """Make sure that a run can be scored before it is trained; fetch what is missing.

        Args:
            parts: as they are built: untrained, their models maybe on the meta device; `prior` is
                None where there is none yet.

        Raises:
            ConfigError: it cannot be scored; says what to do.
        """

    @abstractmethod
    def score(self, parts: Parts, record: Record) -> None:
        """Score trained parts on all ranks; write pictures to the run's folder.

        Raises:
            ValueError: what `check` would have found.
        """


@dataclass
class BatchedScorer(Scorer):
    """A scorer that works in batches.

    Attributes:
        batch_size: samples on each rank at a time.
        seed: of the samples, and of what else is random.

    Raises:
        ValueError: the batch is empty, or the seed is negative.
    """

    batch_size: int = 250
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.seed < 0:
            raise ValueError(
                f"batch_size must be 1 or more and seed 0 or more, got {self.batch_size} and "
                f"{self.seed}"
            )

    def batches(self, data: DataModule, split: str) -> DataLoader:
        """This rank's share of a split, in order."""
        rank, world = distributed.rank(), distributed.world()
        return data.ordered_batches(split, self.batch_size * world, rank, world)


def check_samples(samples: int) -> None:
    """Refuse a number of samples that has no spread.

    Raises:
        ValueError: there are fewer than 2.
    """
    if samples < 2:
        raise ValueError(f"samples must be 2 or more, got {samples}")


def to_device(batch: Batch, device: torch.device | None = None) -> Batch:
    """The whole batch on a device: by default on that of this process."""
    device = device or distributed.device()
    return {key: value.to(device) for key, value in batch.items()}
