"""How a run is scored: the `eval` group of the configuration names one of these."""

from abc import ABC, abstractmethod
from typing import Literal

from torch.utils.data import DataLoader

from data import DataModule
from eval.record import Scores
from ldm import distributed
from ldm.run.parts import Parts
from ldm.tokenizers import Tokenizer

__all__ = ["Evaluation"]


class Evaluation(ABC):
    """What one kind of data is scored by."""

    samples: int
    """How many are drawn from the prior."""

    batch_size: int
    """Of encoding, drawing and scoring, on each rank."""

    seed: int
    """Of the samples, and of what else is random."""

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.seed < 0:
            raise ValueError(
                f"batch_size must be 1 or more and seed 0 or more, got {self.batch_size} and "
                f"{self.seed}"
            )

    @abstractmethod
    def check(self, data: DataModule, tokenizer: Tokenizer) -> None:
        """Make sure that a run can be scored before it is trained; fetches what is missing.

        Args:
            data: to be trained on.
            tokenizer: as it is built, without weights or on the meta device.

        Raises:
            ConfigError: it cannot; says what to do.
        """

    @abstractmethod
    def score(self, parts: Parts, scores: Scores) -> None:
        """Score a run on all ranks; write pictures to its folder.

        Raises:
            FileNotFoundError, ValueError: what `check` would have found.
        """

    def batches(self, data: DataModule, split: Literal["train", "val", "test"]) -> DataLoader:
        """This rank's share of a split, in order."""
        rank, world = distributed.rank(), distributed.world()
        return data.ordered_batches(split, self.batch_size * world, rank, world)
