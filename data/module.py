"""What training, caching and evaluation ask of data, whatever the set."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property

import pytorch_lightning as pl
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset

from data.batch import Batch, check_batch
from data.errors import DataError
from data.order import SampleOrder, check_share

__all__ = ["DataModule"]


class DataModule(pl.LightningDataModule, ABC):
    """A named set with a train and a test split, and loaders of both.

    A subclass says how a split is loaded. Its datasets are map-style, accept an index or a `Draw`,
    and answer lists of them with a batch (`__getitems__`); they have `digest()`. The splits are
    loaded when they are first used, so a module works without a Trainer.

    Args:
        seed: of the sample order and the augmentation.
        workers: processes that load; 0 loads in this one, best for sets held in memory.
    """

    name: str
    """What figures and tables call the set."""

    channels: int
    """Of `x`."""

    size: int
    """Height and width of `x`, pixels."""

    class_names: tuple[str, ...] = ()
    """In the order of the labels; empty where there are none."""

    def __init__(self, seed: int = 0, workers: int = 0) -> None:
        super().__init__()
        self.seed, self.workers = seed, workers

    @abstractmethod
    def load(self, split: str) -> Dataset:
        """The dataset of a split; augmented only where it is the train one.

        Raises:
            DataError: files are missing or damaged.
        """

    @cached_property
    def train_dataset(self) -> Dataset:
        """Samples to learn from."""
        return self.load("train")

    @cached_property
    def test_dataset(self) -> Dataset:
        """Held-out samples."""
        return self.load("test")

    @property
    def classes(self) -> int:
        """How many; 0 where samples have no labels."""
        return len(self.class_names)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one `x`: `(channels, height, width)`."""
        return (self.channels, self.size, self.size)

    def setup(self, stage: str | None = None) -> None:
        """Load both splits and look at one sample of each, so that bad data fails here."""
        for split in ("train", "test"):
            check_batch(self._dataset(split).__getitems__([0]), self.shape)

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change with the name, a sample, a label or augmentation.

        Caches of latents and of reference statistics use it as their key.
        """
        parts = [self.name, self.train_dataset.digest(), self.test_dataset.digest()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def train_batches(
        self, start: int, stop: int, rank: int, world: int, batch_size: int
    ) -> DataLoader:
        """Augmented training batches from one count of samples seen to another.

        A function of its arguments and the seed: to resume is to ask again with a later `start`.

        Args:
            start: samples seen before, on all ranks together.
            stop: samples seen when training ends; the last batch is whole.
            rank: of this process.
            world: number of processes.
            batch_size: samples a step, on all ranks together.
        """
        order = SampleOrder(
            len(self.train_dataset),
            batch_size,
            self.seed,
            start=start,
            stop=stop,
            rank=rank,
            world=world,
        )
        return self._loader(self.train_dataset, order)

    def ordered_batches(
        self,
        split: str,
        batch_size: int,
        rank: int = 0,
        world: int = 1,
        *,
        flipped: bool = False,
    ) -> DataLoader:
        """Each sample of a split once, unaugmented: for evaluation and latent caches.

        Rank `r` of `w` gets the samples `r`, `r + w`, `r + 2w`, ... and none is repeated to even
        them out: ranks may differ by one sample, and so by one batch. Reduce over ranks at the end.

        Args:
            split: "train" or "test".
            batch_size: samples a step, on all ranks together; the last may be smaller.
            rank: of this process.
            world: number of processes.
            flipped: mirror every `x` left to right.
        """
        check_share(batch_size, rank, world)
        dataset = self._dataset(split)
        mine = range(rank, len(dataset), world)
        order = BatchSampler(mine, batch_size // world, drop_last=False)
        return self._loader(dataset, order, _mirrored if flipped else _as_it_is)

    def _dataset(self, split: str) -> Dataset:
        if split not in ("train", "test"):
            raise DataError(f"a split is 'train' or 'test', got {split!r}")
        return self.train_dataset if split == "train" else self.test_dataset

    def _loader(
        self, dataset: Dataset, order: SampleOrder | BatchSampler, collate: Callable | None = None
    ) -> DataLoader:
        return DataLoader(
            dataset,
            batch_sampler=order,
            num_workers=self.workers,
            collate_fn=collate or _as_it_is,
            pin_memory=torch.cuda.is_available(),
            # Its own, though nothing is drawn: a loader takes a number of torch's global generator
            # each time it starts, and resumed runs would then differ from uninterrupted ones.
            generator=torch.Generator(),
        )


def _as_it_is(batch: Batch) -> Batch:
    return batch


def _mirrored(batch: Batch) -> Batch:
    return {**batch, "x": batch["x"].flip(-1)}
