"""Latents encoded once, in memory-mapped shards, to train a prior from."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset

from data import DataModule, SampleOrder
from data.files.whole import write_whole
from data.images.base import coins
from ldm.hub.weights import fingerprint
from ldm.tokenizers import Batch, Tokenizer

__all__ = ["LatentCache", "LatentDataset"]


class LatentCache:
    """Raw latents of a training set under one tokenizer: posterior parameters or codes.

    Being parameters, posterior noise stays fresh; where the data flips images, both sides are
    encoded, and flips stay fresh too. The folder's name is a hash of tokenizer and data, so another
    tokenizer never reads these latents. Ranks share the work; a whole shard that is there is kept,
    a damaged one is encoded again.

    Args:
        root: folder of all caches.
        tokenizer: trained, in evaluation mode.
        data: what is encoded.
        shard: samples in one file.
        batch_size: of the encoder.
    """

    def __init__(
        self,
        root: Path,
        tokenizer: Tokenizer,
        data: DataModule,
        shard: int = 8192,
        batch_size: int = 128,
    ) -> None:
        self.folder = root / f"{fingerprint(tokenizer)}-{data.fingerprint}"
        self.tokenizer, self.data, self.shard, self.batch_size = tokenizer, data, shard, batch_size

    @property
    def sides(self) -> list[str]:
        """Names of what is stored for each image: as it is, and mirrored where data flips."""
        return ["raw", "flipped"] if getattr(self.data, "flip", False) else ["raw"]

    def missing(self, rank: int = 0, world: int = 1) -> list[tuple[str, int]]:
        """Side and number of each shard of this rank's share that is not there, or damaged."""
        count = -(-len(self.data.train_dataset) // self.shard)
        shards = [(side, number) for side in self.sides for number in range(count)]
        # A share of all shards, not of the missing ones: another rank may have filled some.
        return [one for one in shards[rank::world] if not self._whole(*one)]

    def fill(self, device: torch.device, rank: int = 0, world: int = 1) -> Iterator[int]:
        """Encode this rank's share of the missing shards; yields samples as they are done."""
        self.tokenizer.to(device)
        for side, number in self.missing(rank, world):
            raws = []
            for batch in self._images(number):
                raws.append(self._encode(batch["x"].to(device), side).cpu().numpy())
                yield len(raws[-1])
            write_whole(self._path(side, number), _writer(np.concatenate(raws)))

    def dataset(self) -> "LatentDataset":
        """The filled cache."""
        count = len(self.data.train_dataset)
        numbers = range(-(-count // self.shard))
        paths = [[self._path(side, number) for number in numbers] for side in self.sides]
        labels = self.data.train_dataset.labels if self.data.classes else None
        return LatentDataset(paths, labels, self.shard, count)

    def batches(self, order: SampleOrder, workers: int = 0) -> DataLoader:
        """Batches with `raw`, `index` and, where the data has them, `label`."""
        return _loader(self.dataset(), order, workers)

    @torch.no_grad()
    def _encode(self, x: Tensor, side: str) -> Tensor:
        return self.tokenizer.encode({"x": x.flip(-1) if side == "flipped" else x}).raw

    def _images(self, number: int) -> DataLoader:
        end = min((number + 1) * self.shard, len(self.data.train_dataset))
        indices = range(number * self.shard, end)
        order = BatchSampler(indices, self.batch_size, drop_last=False)
        return _loader(self.data.train_dataset, order, self.data.workers)

    def _whole(self, side: str, number: int) -> bool:
        path = self._path(side, number)
        if not path.is_file():
            return False
        expected = min(self.shard, len(self.data.train_dataset) - number * self.shard)
        try:
            found = len(np.load(path, mmap_mode="r"))
        except (ValueError, EOFError) as error:
            warnings.warn(f"{path} is damaged ({error}): encoding it again", stacklevel=2)
            return False
        if found != expected:
            warnings.warn(
                f"{path} holds {found} latents, not {expected}: encoding it again", stacklevel=2
            )
        return found == expected

    def _path(self, side: str, number: int) -> Path:
        return self.folder / f"{side}-{number:05d}.npy"


class LatentDataset(Dataset):
    """Whole batches of stored raw latents; draws come from `data.SampleOrder`."""

    def __init__(
        self, paths: list[list[Path]], labels: Tensor | None, shard: int, length: int
    ) -> None:
        self.sides = [[np.load(path, mmap_mode="r") for path in side] for side in paths]
        self.labels, self.shard, self.length = labels, shard, length

    def __len__(self) -> int:
        return self.length

    def __getitems__(self, draws: list) -> Batch:
        mirrored = coins(draws) if len(self.sides) > 1 else [False] * len(draws)
        rows = [
            self.sides[int(flip)][index // self.shard][index % self.shard]
            for (index, _), flip in zip(draws, mirrored, strict=True)
        ]
        index = torch.tensor([draw.index for draw in draws])
        batch = {"raw": torch.from_numpy(np.stack(rows)), "index": index}
        return batch if self.labels is None else {**batch, "label": self.labels[index]}


def _loader(dataset: Dataset, order: SampleOrder | BatchSampler, workers: int) -> DataLoader:
    return DataLoader(
        dataset,
        batch_sampler=order,
        num_workers=workers,
        collate_fn=_as_it_is,  # datasets answer with whole batches
        generator=torch.Generator(),  # a loader would take a number of torch's global one
    )


def _as_it_is(batch: Batch) -> Batch:
    return batch


def _writer(array: np.ndarray):
    def write(path: Path) -> None:
        with open(path, "wb") as file:
            np.save(file, array)

    return write
