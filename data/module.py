"""What training, caching and evaluation ask of data, whatever the set."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset

from data.batch import Batch, check_batch
from data.files.errors import DataError
from data.order import Draw, SampleOrder, check_share

__all__ = ["DataModule"]


class DataModule(pl.LightningDataModule, ABC):
    """A named set with a train and a test split, some with a val split, and loaders of them.

    A subclass says how a split is loaded, which augmented views of a sample training sees, what
    generated samples are asked to be, and what samples look like to a person and to other programs:
    training, sampling and evaluation do not know what they are samples of. Its datasets are
    map-style, accept an index or a `Draw`, and answer lists of them with a batch (`__getitems__`);
    they have `digest()`. The splits are loaded when they are first used, so a module works without
    a Trainer.

    Args:
        seed: of the sample order and the augmentation.
        workers: processes that load; 0 loads in this one, best for sets held in memory.

    Raises:
        DataError: there are fewer than 0.
    """

    name: str
    """What figures and tables call the set."""

    class_names: tuple[str, ...] = ()
    """In the order of the labels; empty where there are none."""

    held: ClassVar[tuple[str, ...]] = ("train", "test")
    """The splits that the set has: "train", "test", and "val" in some."""

    views: tuple[str, ...] = ("plain",)
    """Names of the augmented views of a sample that training draws from; all of them can be cached.
    Empty where there are too many to list, or samples are new at every draw."""

    shown: ClassVar[int] = 64
    """How many samples make a picture of them, while a model is trained."""

    def __init__(self, seed: int = 0, workers: int = 0) -> None:
        super().__init__()
        if workers < 0:
            raise DataError(f"workers must be 0 or more, got {workers}")
        self.seed, self.workers = seed, workers

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of one `x`."""

    @abstractmethod
    def load(self, split: str) -> Dataset:
        """The dataset of one of the splits `held`; augmented only where it is the train one.

        Raises:
            DataError: files are missing or damaged.
        """

    @abstractmethod
    def show(self, batch: Batch, columns: int | None = None) -> Float[Tensor, "*frames 3 h w"]:
        """Draw what samples look like: one colour picture, or a clip of them, in [0, 1].

        Args:
            batch: the samples, with at least `x`.
            columns: where samples are shown one by one, how many side by side.
        """

    @abstractmethod
    def save(self, folder: Path, batch: Batch) -> None:
        """Write samples to a folder: `samples.png`, and files for the programs of the field.

        Args:
            folder: made where it is missing.
            batch: the samples, or what `compact` made of them, with all they were asked to be.
        """

    def compact(self, batch: Batch) -> Batch:
        """The samples in the least memory that holds all that `save` writes of them."""
        return batch

    def example(self, n: int) -> Batch:
        """A batch of `n` samples as training sees them, of zeros, to try networks with."""
        x = torch.zeros(n, *self.shape)
        return {"x": x, **({"label": torch.zeros(n, dtype=torch.int64)} if self.classes else {})}

    def view(self, batch: Batch, name: str) -> Batch:
        """One of the `views` of samples that come as they are."""
        return batch

    def drawn_views(self, draws: Sequence[Draw]) -> Int64[np.ndarray, " n"]:
        """Positions in `views` of what training sees of each draw."""
        return np.zeros(len(draws), np.int64)

    def requests(self, indices: Sequence[int], seed: int, **asked: Any) -> Batch:
        """What generated samples are asked to be, each a function of its own number and the seed.

        Here labels in turn, where there are classes, or the one `label` that is asked for.

        Args:
            indices: numbers of the samples in their whole set.
            seed: of the whole set.
            **asked: `label`, the class that all samples are to have.

        Returns:
            A batch without `x`: `index`, and all that a prior may be told.

        Raises:
            DataError: the set has no such class, or knows nothing of what is asked.
        """
        index = torch.tensor(list(indices), dtype=torch.int64)
        label = asked.pop("label", None)
        if asked:
            raise DataError(
                f"samples of {self.name} cannot be asked for {', '.join(asked)}: they have "
                f"{'a label' if self.classes else 'no conditions'}"
            )
        if label is not None and not self.classes:
            raise DataError(f"label={label}, but {self.name} has no classes")
        if label is not None and not (isinstance(label, int) and 0 <= label < self.classes):
            raise DataError(f"label must be one of 0 to {self.classes - 1}, got {label}")
        if not self.classes:
            return {"index": index}
        labels = index % self.classes if label is None else torch.full_like(index, label)
        return {"index": index, "label": labels}

    @cached_property
    def train_dataset(self) -> Dataset:
        """Samples to learn from."""
        return self.load("train")

    @cached_property
    def val_dataset(self) -> Dataset:
        """Held-out samples to select a model by, in sets that have a third split.

        Raises:
            DataError: the set has two.
        """
        if "val" not in self.held:
            raise DataError(
                f"{self.name} has no val split, only {' and '.join(self.held)}: hold samples out "
                "yourself, or select nothing"
            )
        return self.load("val")

    @cached_property
    def test_dataset(self) -> Dataset:
        """Held-out samples."""
        return self.load("test")

    @property
    def classes(self) -> int:
        """How many; 0 where samples have no labels."""
        return len(self.class_names)

    def setup(self, stage: str | None = None) -> None:
        """Load all splits and look at one sample of each, so that bad data fails here."""
        for split in self.held:
            check_batch(self.dataset_of(split).__getitems__([0]), self.shape)

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change with the name, a sample, a label or augmentation.

        Caches of latents and of reference statistics use it as their key.
        """
        parts = [self.name, *(self.dataset_of(split).digest() for split in self.held)]
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
        self, split: str, batch_size: int, rank: int = 0, world: int = 1
    ) -> DataLoader:
        """Each sample of a split once, unaugmented: for evaluation and latent caches.

        Rank `r` of `w` gets the samples `r`, `r + w`, `r + 2w`, ... and none is repeated to even
        them out: ranks may differ by one sample, and so by one batch. Reduce over ranks at the end.

        Args:
            split: "train", "test", or "val" where the set has it.
            batch_size: samples a step, on all ranks together; the last may be smaller.
            rank: of this process.
            world: number of processes.
        """
        check_share(batch_size, rank, world)
        dataset = self.dataset_of(split)
        mine = range(rank, len(dataset), world)
        order = BatchSampler(mine, batch_size // world, drop_last=False)
        return self._loader(dataset, order)

    def dataset_of(self, split: str) -> Dataset:
        """The samples of one split.

        Raises:
            DataError: there is no such split.
        """
        if split not in ("train", "val", "test"):
            raise DataError(f"a split is 'train', 'val' or 'test', got {split!r}")
        return getattr(self, f"{split}_dataset")

    def _loader(self, dataset: Dataset, order: SampleOrder | BatchSampler) -> DataLoader:
        return DataLoader(
            dataset,
            batch_sampler=order,
            num_workers=self.workers,
            collate_fn=_as_it_is,
            pin_memory=torch.cuda.is_available(),
            # Its own, though nothing is drawn: a loader takes a number of torch's global generator
            # each time it starts, and resumed runs would then differ from uninterrupted ones.
            generator=torch.Generator(),
        )


def _as_it_is(batch: Batch) -> Batch:
    return batch
