"""Latents in safetensors shards, as LightningDiT stores them: read in place, and written.

Source: Yao et al., "Reconstruction vs. generation: taming optimization dilemma in latent diffusion
models", 2025, and the layout of its files: `latents_rank00_shard000.safetensors`, ... with
`latents` `(n, *shape)`, `latents_flip` of the mirrored images, and `labels` `(n,)`; and
`latents_stats.pt` with `mean` and `std`. Latents are drawn from the posterior, once, and are not
normalised.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import Dataset

from data import Batch
from data.files.errors import DataError
from data.files.whole import write_whole
from data.order import Draw, mix
from ldm.hub.weights import fingerprint, read_state
from ldm.tokenizers import Tokenizer
from ldm.training.latent_cache import LatentDataset

__all__ = ["LatentShards", "write_shards"]

PATTERN, STATISTICS = "latents_rank*_shard*.safetensors", "latents_stats.pt"
PLAIN, FLIPPED, LABELS = "latents", "latents_flip", "labels"
SOURCE = "tokenizer"  # of a shard's metadata: the tokenizer's fingerprint
APART = 0.1  # relative difference of standard deviations that are of one tokenizer


class LatentShards(Dataset):
    """The latents of a folder, as a dataset that returns whole batches for draws.

    Where there are latents of mirrored images, the seed of a draw decides which it gets.

    Args:
        folder: of the shards.

    Raises:
        DataError: there are none, one is damaged, or lacks what others have.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.paths = folder, sorted(folder.glob(PATTERN))
        if not self.paths:
            raise DataError(f"no latents in {folder}: expected files {PATTERN}")
        self.files = [_opened(path) for path in self.paths]
        self.keys = set(self.files[0].keys())
        for path, file in zip(self.paths, self.files, strict=True):
            if missing := {PLAIN, LABELS} - set(file.keys()):
                raise DataError(f"{path} lacks {', '.join(sorted(missing))}: write it again")
            if set(file.keys()) != self.keys:
                raise DataError(
                    f"{path} holds {sorted(file.keys())}, and {self.paths[0].name} "
                    f"{sorted(self.keys)}: write them with one command"
                )
            lengths = {key: file.get_slice(key).get_shape()[0] for key in file.keys()}  # noqa: SIM118
            if len(set(lengths.values())) > 1:
                raise DataError(f"{path} should hold as many of each, and holds {lengths}")
        sizes = [file.get_slice(LABELS).get_shape()[0] for file in self.files]
        self.ends = np.cumsum(sizes)

    def check(self, tokenizer: Tokenizer, classes: int) -> None:
        """Refuse latents of another tokenizer, and labels of other data.

        The tokenizer is known by its fingerprint where this project wrote the shards; those of
        others by shape, and by the mean and standard deviation beside them.

        Raises:
            DataError: they are of another tokenizer, or a label is not a class.
        """
        own = fingerprint(tokenizer)
        for path, file in zip(self.paths, self.files, strict=True):
            found = (file.metadata() or {}).get(SOURCE, own)
            shape = tuple(file.get_slice(PLAIN).get_shape()[1:])
            if shape != tuple(tokenizer.space.shape):
                raise DataError(
                    f"{path} holds latents of shape {shape}, and the tokenizer has "
                    f"{tuple(tokenizer.space.shape)}: they are of another tokenizer"
                )
            if found != own:
                raise DataError(
                    f"{path} holds latents of the tokenizer {found}, and this one is {own}: write "
                    f"them with it, python -m ldm.hub latents RUN output=..."
                )
            labels = file.get_tensor(LABELS)
            if (
                classes
                and len(labels)
                and not 0 <= int(labels.min()) <= int(labels.max()) < classes
            ):
                raise DataError(
                    f"{path} has labels {int(labels.min())} to {int(labels.max())}, and the data "
                    f"{classes} classes: choose the data that the latents are of"
                )
        if (self.folder / STATISTICS).is_file():
            self._check_statistics(tokenizer)

    def _check_statistics(self, tokenizer: Tokenizer) -> None:
        path = self.folder / STATISTICS
        found = read_state(path)
        if not {"mean", "std"} <= set(found):
            raise DataError(f"{path} should hold mean and std, and holds {sorted(found)}")
        mean, std = (found[key].flatten().float() for key in ("mean", "std"))
        own = tokenizer.std.cpu(), tokenizer.mean.cpu()
        alike = mean.shape == own[0].shape and (
            ((std / own[0]).log().abs() < APART) & ((mean - own[1]).abs() < APART * own[0])
        )
        if not torch.as_tensor(alike).all():
            raise DataError(
                f"{path} has the means {_few(mean)} and deviations {_few(std)}, and the tokenizer "
                f"{_few(own[1])} and {_few(own[0])}: they are of another tokenizer, or that was "
                f"measured on other data; import it with latents_mean= and latents_std="
            )

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitems__(self, draws: Sequence[Draw]) -> Batch:
        index = np.array([draw.index for draw in draws])
        shard = np.searchsorted(self.ends, index, side="right")
        row = index - np.concatenate([[0], self.ends])[shard]
        seeds = np.array([draw.seed or 0 for draw in draws], np.uint64)
        flipped = (mix(seeds) >> np.uint64(63)).astype(bool) & (FLIPPED in self.keys)
        latents, labels = [], []
        for n, at, mirrored in zip(shard.tolist(), row.tolist(), flipped.tolist(), strict=True):
            file = self.files[n]
            latents.append(file.get_slice(FLIPPED if mirrored else PLAIN)[at : at + 1])
            labels.append(file.get_slice(LABELS)[at : at + 1])
        return {
            "latent": torch.cat(latents).float(),
            "label": torch.cat(labels).long(),
            "index": torch.from_numpy(index),
        }


def write_shards(
    folder: Path, dataset: LatentDataset, tokenizer: Tokenizer, seed: int = 0
) -> list[Path]:
    """Write the latents of a filled cache, one shard for each of its own, and their statistics.

    Args:
        folder: to write.
        dataset: of the cache; its second view, if any, is of mirrored images.
        tokenizer: that encoded it.
        seed: of the posterior noise, which is drawn once.

    Returns:
        The paths of the files.
    """
    written = []
    metadata = {SOURCE: fingerprint(tokenizer), "format": "pt"}
    for number in range(len(dataset.shards["raw"][0])):
        tensors = {}
        for view, key in enumerate((PLAIN, FLIPPED)[: len(dataset.shards["raw"])]):
            raw = torch.from_numpy(np.array(dataset.shards["raw"][view][number]))
            generator = torch.Generator().manual_seed(int(mix(seed, view, number)[0] >> 1))
            with torch.no_grad():
                tensors[key] = tokenizer.bottleneck.latent(raw, generator).float().contiguous()
        labels = dataset.shards.get("label")
        tensors[LABELS] = (
            torch.full((len(tensors[PLAIN]),), -1)
            if labels is None
            else torch.from_numpy(np.array(labels[0][number]))
        )
        path = folder / f"latents_rank00_shard{number:03d}.safetensors"
        write_whole(path, lambda part, tensors=tensors: save_file(tensors, part, metadata))
        written.append(path)
    features = [1, -1] + [1] * (len(tokenizer.space.shape) - 1)
    numbers: dict[str, Tensor] = {
        key: getattr(tokenizer, key).cpu().view(features) for key in ("mean", "std")
    }
    write_whole(folder / STATISTICS, lambda part: torch.save(numbers, part))
    return [*written, folder / STATISTICS]


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise DataError(
            f"{path} is truncated or no safetensors file ({error}): fetch or write it again"
        ) from error


def _few(numbers: Tensor) -> str:
    return ", ".join(f"{x:.3g}" for x in numbers[:3].tolist()) + (
        ", ..." if len(numbers) > 3 else ""
    )
