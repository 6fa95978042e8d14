"""A cache of encoded latents in memory-mapped shards, for training priors."""

import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import BatchSampler, Dataset

from data import Batch, DataModule, SampleOrder
from data.files.download import digest
from data.files.whole import write_whole
from data.loading import BatchLoader

__all__ = ["LatentCache", "LatentDataset"]


class LatentCache:
    """The encoded training set: raw latents, and the other keys of each batch.

    Raw latents are posterior parameters or codes, so posterior noise is drawn anew at every step.
    All augmented views of a sample are encoded, so augmentation is random, too. The folder's name
    identifies encoder and data, so another tokenizer never reads these latents. Ranks share the
    work; complete shards are kept, and those whose SHA-256 is wrong are encoded again.

    Args:
        root: folder of all caches.
        encode: maps a batch of data, without its `index`, to the stored batch: `raw`, and every
            key that a prior may read.
        identity: hash of everything that determines the result of `encode`.
        data: the data module whose training set is encoded.
        shard: samples per file.
        batch_size: of the encoder.
    """

    def __init__(
        self,
        root: Path,
        encode: Callable[[Batch], Batch],
        identity: str,
        data: DataModule,
        shard: int = 8192,
        batch_size: int = 128,
    ) -> None:
        self.folder = root / f"{identity}-{data.fingerprint}"
        self.encode, self.data, self.shard, self.batch_size = encode, data, shard, batch_size

    def share(self, rank: int = 0, world: int = 1) -> list[tuple[str, int]]:
        """View and number of each shard in this rank's share, be it there or not."""
        count = -(-len(self.data.train_dataset) // self.shard)
        return [(view, n) for view in self.data.views for n in range(count)][rank::world]

    def missing(self, rank: int = 0, world: int = 1) -> list[tuple[str, int]]:
        """View and number of each missing or damaged shard in this rank's share."""
        # A share of all shards, not of the missing ones: another rank may have filled some already.
        return [one for one in self.share(rank, world) if not self._whole(*one)]

    def length(self, number: int) -> int:
        """Number of samples in a shard; the last may be smaller."""
        return min(self.shard, len(self.data.train_dataset) - number * self.shard)

    def fill(self, device: torch.device, rank: int = 0, world: int = 1) -> Iterator[int]:
        """Encode this rank's share of the missing shards; yields each batch's size when done."""
        for view, number in self.missing(rank, world):
            parts: list[Batch] = []
            for batch in self._samples(number):
                moved = {key: x.to(device) for key, x in batch.items() if key != "index"}
                with torch.no_grad():
                    stored = self.encode(self.data.view(moved, view))
                parts.append({key: x.cpu() for key, x in stored.items()})
                yield len(batch["index"])
            whole = {key: torch.cat([part[key] for part in parts]).numpy() for key in parts[0]}
            sums = {}
            for key, array in whole.items():
                write_whole(self._path(view, number, key), _writer(array))
                sums[key] = digest(self._path(view, number, key))
            text = json.dumps(sums, indent=2)
            write_whole(self._keys(view, number), lambda path, text=text: path.write_text(text))

    def dataset(self) -> "LatentDataset":
        """Dataset of the filled cache."""
        count = len(self.data.train_dataset)
        numbers = range(-(-count // self.shard))
        keys = json.loads(self._keys(self.data.views[0], 0).read_text())
        shards = {
            key: [
                [np.load(self._path(view, n, key), mmap_mode="r") for n in numbers]
                for view in self.data.views
            ]
            for key in keys
        }
        return LatentDataset(shards, self.shard, count, self.data.drawn_views)

    def batches(self, order: SampleOrder, workers: int = 0) -> BatchLoader:
        """Loader of batches with `raw`, `index`, and the other stored keys."""
        return BatchLoader(self.dataset(), order, workers)

    def _samples(self, number: int) -> BatchLoader:
        start = number * self.shard
        indices = range(start, start + self.length(number))
        order = BatchSampler(indices, self.batch_size, drop_last=False)
        return BatchLoader(self.data.train_dataset, order, self.data.workers)

    def _whole(self, view: str, number: int) -> bool:
        path = self._keys(view, number)
        if not path.is_file():
            return False
        expected = self.length(number)
        try:
            sums = json.loads(path.read_text())
            for key in sums:
                path = self._path(view, number, key)
                found = len(np.load(path, mmap_mode="r"))
                if found != expected:
                    raise ValueError(f"it holds {found} latents, not {expected}")
                # Shards of older versions have a list of their keys, without checksums.
                if isinstance(sums, dict) and digest(path) != sums[key]:
                    raise ValueError("its checksum is wrong")
        except (ValueError, TypeError, EOFError, OSError) as error:
            warnings.warn(f"{path} is damaged ({error}): encoding it again", stacklevel=2)
            return False
        return True

    def _path(self, view: str, number: int, key: str) -> Path:
        return self.folder / f"{view}-{number:05d}-{key}.npy"

    def _keys(self, view: str, number: int) -> Path:
        """File with the checksums of a shard by key; written last: the shard is then complete."""
        return self.folder / f"{view}-{number:05d}.json"


class LatentDataset(Dataset):
    """The stored latents as a dataset that returns whole batches for draws of `data.SampleOrder`.

    Args:
        shards: arrays by key, then view, then number.
        shard: samples in every shard but the last.
        length: number of samples.
        drawn_views: maps draws to their views, see `DataModule.drawn_views`.
    """

    def __init__(
        self,
        shards: dict[str, list[list[np.ndarray]]],
        shard: int,
        length: int,
        drawn_views: Callable[[list], np.ndarray],
    ) -> None:
        self.shards, self.shard, self.length = shards, shard, length
        self.drawn_views = drawn_views

    def __len__(self) -> int:
        return self.length

    def __getitems__(self, draws: list) -> Batch:
        views, index = self.drawn_views(draws), [draw.index for draw in draws]
        places = [(view, *divmod(i, self.shard)) for view, i in zip(views, index, strict=True)]
        batch = {"index": torch.tensor(index)}
        for key, parts in self.shards.items():
            rows = [parts[view][number][row] for view, number, row in places]
            batch[key] = torch.from_numpy(np.stack(rows))
        return batch


def _writer(array: np.ndarray):
    def write(path: Path) -> None:
        with open(path, "wb") as file:
            np.save(file, array)

    return write
