"""The interface of a dataset to training, caching, sampling and evaluation."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.utils.data import BatchSampler

from data.batch import Batch, check_batch
from data.files.cache import content_key
from data.files.errors import DataError
from data.loading import BatchLoader, cores
from data.order import Draw, SampleOrder, check_share
from data.samples import Samples
from data.values import check_seed

__all__ = ["DataModule"]


class DataModule(ABC):
    """A named dataset with train and test splits, some with a val split, and their loaders.

    A subclass defines how a split is loaded, which augmented views of a sample training uses, the
    conditions of generated samples, and how samples are drawn and saved: training, sampling and
    evaluation do not depend on the modality. Splits are loaded at first use, so a module works
    without a Trainer.

    Args:
        seed: of the sample order and the augmentation.
        workers: loader processes, at most one for each core that there is; 0 loads in this process,
            best for data held in memory.

    Raises:
        DataError: `workers` or `seed` is negative, or `seed` too large.
    """

    name: str
    """Name of the dataset in figures and tables."""

    class_names: tuple[str, ...] = ()
    """Names of the classes in the order of the labels; empty without labels."""

    held: ClassVar[tuple[str, ...]] = ("train", "test")
    """The splits that the dataset has: "train", "test", and "val" in some."""

    views: tuple[str, ...] = ("plain",)
    """Names of the augmented views of a sample that training draws from; all of them can be cached.
    Empty if there are too many to list, or if samples are new at every draw."""

    shown: ClassVar[int] = 64
    """Number of samples in a picture drawn during training."""

    overview: ClassVar[int] = 100
    """Number of samples in the picture beside those that sample.py writes."""

    def __init__(self, seed: int = 0, workers: int = 0) -> None:
        if workers < 0:
            raise DataError(f"workers must be 0 or more, got {workers}")
        check_seed(seed=seed)
        self.seed, self.workers = seed, min(workers, cores())

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one `x`."""

    @property
    def interface(self) -> dict[str, Any]:
        """Numbers besides the shape that models are handed, by the names of their parameters."""
        return {}

    @abstractmethod
    def load(self, split: str) -> Samples:
        """Load the dataset of one of the splits `held`; only the train split is augmented.

        Raises:
            DataError: files are missing or damaged.
        """

    @abstractmethod
    def show(self, batch: Batch, columns: int | None = None) -> Float[Tensor, "*frames 3 h w"]:
        """Draw samples as one colour picture, or as a clip of pictures, in [0, 1].

        Args:
            batch: the samples, with at least `x`, as drawn or from `compact`.
            columns: samples per row, for data drawn as a grid.
        """

    @abstractmethod
    def save(self, folder: Path, batch: Batch) -> None:
        """Write samples to a folder as files in the field's usual formats, and nothing else.

        Args:
            folder: created if it is missing.
            batch: the samples, as drawn or from `compact`, with their conditions.
        """

    def compact(self, batch: Batch) -> Batch:
        """Reduce samples to the smallest types that keep everything `save` writes."""
        return batch

    def example(self, n: int) -> Batch:
        """A training batch of `n` samples filled with zeros, for checking shapes."""
        x = torch.zeros(n, *self.shape)
        return {"x": x, **({"label": torch.zeros(n, dtype=torch.int64)} if self.classes else {})}

    def view(self, batch: Batch, name: str) -> Batch:
        """Apply one of the `views` to unaugmented samples."""
        return batch

    def drawn_views(self, draws: Sequence[Draw]) -> Int64[np.ndarray, " n"]:
        """Positions in `views` of the view that training uses for each draw."""
        return np.zeros(len(draws), np.int64)

    def requests(self, indices: Sequence[int], seed: int, **asked: Any) -> Batch:
        """Conditions of generated samples, each a function of the sample's index and the seed.

        By default, labels cycle through the classes, or all equal `label` if it is given.

        Args:
            indices: indices of the samples in the whole generated set.
            seed: of the whole generated set.
            **asked: `label`, the class of all samples.

        Returns:
            A batch without `x`: `index`, and everything that a prior may be conditioned on.

        Raises:
            DataError: the dataset has no such class or condition.
        """
        index = torch.tensor(list(indices), dtype=torch.int64)
        label = asked.pop("label", None)
        if asked:
            raise DataError(
                f"samples of {self.name} cannot be asked for {', '.join(asked)}: they have "
                f"{' and '.join(f'a {key}' for key in self.told) or 'no conditions'}"
            )
        if label is not None and not self.classes:
            raise DataError(f"label={label}, but {self.name} has no classes")
        if label is not None and not (type(label) is int and 0 <= label < self.classes):
            raise DataError(f"label must be one of 0 to {self.classes - 1}, got {label}")
        if not self.classes:
            return {"index": index}
        labels = index % self.classes if label is None else torch.full_like(index, label)
        return {"index": index, "label": labels}

    def meaning(self, key: str) -> Hashable:
        """Name what the numbers under a key of a batch stand for; None where any will do.

        A trained model can be sampled and scored with other data only where what it reads has the
        same meaning: by default, labels name the same classes.
        """
        return self.class_names if key == "label" else None

    def log_prob_of_requests(self, batch: Batch) -> Float64[Tensor, " n"]:
        """Log probability, nats, with which `requests` asks for samples of this structure.

        Zero for samples that differ in nothing that is asked for at random.
        """
        return torch.zeros(len(batch["x"]), dtype=torch.float64)

    def restore(self, batch: Batch) -> Batch:
        """Samples whose known part is exactly what is known of it, whatever the decoder made of it.

        By default, that is `known` where `kept`, for samples that were asked to keep a part.
        """
        if "kept" not in batch:
            return batch
        return {**batch, "x": torch.where(batch["kept"], batch["known"], batch["x"])}

    @cached_property
    def train_dataset(self) -> Samples:
        """The training samples."""
        return self.load("train")

    @cached_property
    def val_dataset(self) -> Samples:
        """Held-out samples for model selection, in datasets that have a val split.

        Raises:
            DataError: the dataset has no val split.
        """
        if "val" not in self.held:
            raise DataError(
                f"{self.name} has no val split, only {' and '.join(self.held)}: hold samples out "
                "yourself, or select nothing"
            )
        return self.load("val")

    @cached_property
    def test_dataset(self) -> Samples:
        """Held-out samples for evaluation."""
        return self.load("test")

    @property
    def told(self) -> tuple[str, ...]:
        """Keys of the conditions that samples can be asked for by a value of one's own."""
        return ("label",) if self.classes else ()

    @property
    def classes(self) -> int:
        """Number of classes; 0 without labels."""
        return len(self.class_names)

    def prepare_data(self) -> None:  # noqa: B027 - most sets have nothing to prepare
        """Download, cache or simulate what the splits are loaded from."""

    def setup(self) -> None:
        """Load all splits and check one sample of each, so that bad data fails before training."""
        for split in self.held:
            check_batch(self.dataset_of(split).__getitems__([0]), self.shape)

    @cached_property
    def fingerprint(self) -> str:
        """A hash, 16 hexadecimal digits, of the name, all samples and labels, and the augmentation.

        It is the key of cached latents and reference statistics.
        """
        parts = [self.name, *(self.dataset_of(split).digest() for split in self.held)]
        return content_key("\n".join(parts))

    def train_batches(
        self, start: int, stop: int, rank: int, world: int, batch_size: int
    ) -> BatchLoader:
        """Augmented training batches from position `start` to position `stop`.

        They depend only on the arguments and the seed: training resumes with a later `start`.

        Args:
            start: samples seen before, over all ranks.
            stop: samples seen at the end of training; the last batch is complete.
            rank: of this process.
            world: number of processes.
            batch_size: samples per step, over all ranks.
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
        return BatchLoader(self.train_dataset, order, self.workers)

    def ordered_batches(
        self, split: str, batch_size: int, rank: int = 0, world: int = 1
    ) -> BatchLoader:
        """Batches with each sample of a split once, unaugmented: for evaluation and latent caches.

        Rank `r` of `w` gets the samples `r`, `r + w`, `r + 2w`, ...; none is repeated as padding,
        so ranks may differ by one sample, and so by one batch. Reduce over ranks at the end.

        Args:
            split: "train", "test", or "val" if the dataset has it.
            batch_size: samples per step, over all ranks; the last batch may be smaller.
            rank: of this process.
            world: number of processes.
        """
        check_share(batch_size, rank, world)
        dataset = self.dataset_of(split)
        mine = range(rank, len(dataset), world)
        order = BatchSampler(mine, batch_size // world, drop_last=False)
        return BatchLoader(dataset, order, self.workers)

    def dataset_of(self, split: str) -> Samples:
        """The dataset of one split, loaded at first use.

        Raises:
            DataError: there is no such split.
        """
        if split not in ("train", "val", "test"):
            raise DataError(f"a split is 'train', 'val' or 'test', got {split!r}")
        return getattr(self, f"{split}_dataset")
