"""Base classes of images and videos: pixels in [-1, 1], mirrored views, captions, files."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from data.batch import Batch
from data.files.errors import DataError
from data.files.whole import staging
from data.images.captions import as_strings, as_text
from data.images.prompts import ClassCaptions, read_prompts
from data.module import DataModule
from data.order import Draw, mix
from data.samples import Samples

__all__ = ["PixelDataset", "Pixels", "coins"]


class Pixels(DataModule):
    """Dataset of images or videos of one size in [-1, 1], grey or colour."""

    channels: int
    """Channels of `x`: 1 or 3."""

    size: int | Sequence[int]
    """Side of the square `x`, or its height and width, pixels."""

    flip: bool = False
    """Mirror training samples left to right with probability one half."""

    suffix: ClassVar[str]
    """End of the name of a file of one sample."""

    class_captions: ClassCaptions | None = None
    """Captions that name the classes; None without captions, or with others."""

    @property
    def text_width(self) -> int:
        """Bytes of the longest caption; 0 without captions."""
        return self.class_captions.width if self.class_captions else 0

    @property
    def told(self) -> tuple[str, ...]:
        return (*super().told, *(("text",) if self.text_width else ()))

    @property
    def views(self) -> tuple[str, ...]:
        """Views of a sample: plain, and with `flip` also mirrored."""
        return ("plain", "mirrored") if self.flip else ("plain",)

    def view(self, batch: Batch, name: str) -> Batch:
        return {**batch, "x": batch["x"].flip(-1)} if name == "mirrored" else batch

    def drawn_views(self, draws: Sequence[Draw]) -> Int64[np.ndarray, " n"]:
        return coins(draws).astype(np.int64) if self.flip else super().drawn_views(draws)

    def example(self, n: int) -> Batch:
        text = {"text": torch.zeros(n, self.text_width, dtype=torch.int64)}
        return {**super().example(n), **(text if self.text_width else {})}

    def requests(self, indices: Sequence[int], seed: int, **asked: Any) -> Batch:
        """Return conditions as any dataset does, and a `text` where samples have captions.

        Args:
            indices: indices of the samples in the whole generated set.
            seed: of the whole generated set.
            **asked: `label`, or `text`: what `read_prompts` reads, in turn. What is asked for by a
                text has no label; else its text is a caption of its class.

        Raises:
            DataError: there are no such classes or no captions, or both are asked for.
        """
        if "text" in asked:
            return self._prompted(indices, seed, **asked)
        batch = super().requests(indices, seed, **asked)
        if self.class_captions is None:
            return batch
        captions = self.class_captions.of(batch["label"].tolist(), indices)
        return {**batch, "text": as_text(captions, self.text_width)}

    def _prompted(self, indices: Sequence[int], seed: int, text: Any, **asked: Any) -> Batch:
        if not self.text_width:
            kind = "label=0" if self.classes else "nothing"
            raise DataError(f"text={text!r}, but {self.name} has no captions: ask for {kind}")
        if "label" in asked:
            raise DataError("ask for a label or for a text, not for both")
        prompts = read_prompts(text)
        width = max(self.text_width, *(len(one.encode()) for one in prompts))
        chosen = [prompts[index % len(prompts)] for index in indices]
        index = super().requests(indices, seed, **asked)["index"]
        return {"index": index, "text": as_text(chosen, width)}

    def compact(self, batch: Batch) -> Batch:
        """Round pixels to the nearest bytes; bytes are unchanged."""
        x = batch["x"]
        if x.dtype == torch.uint8:
            return batch
        # Use float32 or better: half precision does not resolve neighbouring levels.
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        return {**batch, "x": (x * 127.5 + 128).clamp(0, 255).byte()}

    def floats(self, batch: Batch) -> Float32[Tensor, "n c *frames h w"]:
        """Pixels in [-1, 1] of samples, also of those that `compact` reduced to bytes."""
        x = batch["x"]
        return x.float() / 127.5 - 1 if x.dtype == torch.uint8 else x.float()

    @abstractmethod
    def own_files(self, folder: Path) -> Samples:
        """Samples of a folder of files of one's own, read as those of the test split are.

        Labels are -1, and captions are not read.

        Raises:
            DataError: there are none, or one of them cannot be read.
        """

    @abstractmethod
    def write(self, path: Path, pixels: UInt8[Tensor, "3 *frames h w"], sample: Batch) -> None:
        """Write the pixels of one sample, of a batch without its axis, as a file."""

    def save(self, folder: Path, batch: Batch) -> None:
        """Write `00000.png` or `.mp4`, ..., `samples.npz`, and captions, if any, as a table.

        `samples.npz` has the layout of ADM's evaluation suite: RGB bytes `(n, h, w, 3)`, of videos
        `(n, t, h, w, 3)`, under `arr_0`, labels under `arr_1`. The table is `metadata.jsonl`, which
        datasets of folders read.
        """
        folder.mkdir(parents=True, exist_ok=True)
        pixels = self.compact(batch)["x"].cpu()
        colour = pixels.expand(-1, 3, *pixels.shape[2:])
        names = [f"{number:05d}{self.suffix}" for number in range(len(colour))]
        for number, name in enumerate(names):
            sample = {key: value[number] for key, value in batch.items()}
            self.write(folder / name, colour[number], sample)
        arrays = {"arr_0": colour.movedim(1, -1).numpy()}
        if "label" in batch:
            arrays["arr_1"] = batch["label"].cpu().numpy()
        with staging(folder / "samples.npz") as part:
            np.savez(part, **arrays)
        if "text" in batch:
            texts = zip(names, as_strings(batch["text"]), strict=True)
            rows = [{"file_name": name, "text": text} for name, text in texts]
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (folder / "metadata.jsonl").write_text(lines, encoding="utf-8")


class PixelDataset(Dataset, ABC):
    """Map-style dataset of images or videos in [-1, 1] with labels.

    An index returns a sample without augmentation, a `Draw` one augmented according to its seed.
    `__getitems__`, which torch's data loader calls, returns a whole batch in one step.

    Args:
        labels: class of each sample; -1 if there are no classes.
        flip: mirror the samples of draws left to right with probability one half.
        captions: text of each sample; empty without captions.
        width: length of `text` in a batch, bytes; at least that of the longest caption.
    """

    def __init__(
        self,
        labels: Int64[Tensor, " n"],
        flip: bool = False,
        captions: Sequence[str] = (),
        width: int = 0,
    ) -> None:
        self.labels, self.flip = labels, flip
        # One array instead of a million Python strings, whose reference counts would make every
        # worker process copy their memory pages.
        self.captions, self.width = np.array([one.encode() for one in captions], np.bytes_), width

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, item: int | Draw) -> Batch:
        return {key: value[0] for key, value in self.__getitems__([item]).items()}

    def __getitems__(self, items: Sequence[int | Draw]) -> Batch:
        draws = [item if isinstance(item, Draw) else Draw(item) for item in items]
        index = torch.tensor([range(len(self))[draw.index] for draw in draws])
        x = self.pixels(index, draws)
        if self.flip:
            mirrored = torch.from_numpy(coins(draws))
            x[mirrored] = x[mirrored].flip(-1)
        batch = {"x": x, "label": self.labels[index], "index": index}
        if len(self.captions):
            captions = [caption.decode() for caption in self.captions[index.numpy()]]
            batch["text"] = as_text(captions, self.width)
        return batch

    @abstractmethod
    def pixels(
        self, index: Int64[Tensor, " b"], draws: Sequence[Draw]
    ) -> Float32[Tensor, "b c *frames h w"]:
        """Load samples in [-1, 1], cut out according to their draws, unmirrored."""

    @abstractmethod
    def digest(self) -> str:
        """Hash everything that determines pixels, labels and augmentation."""


def coins(draws: Sequence[Draw]) -> np.ndarray:
    """Decide from the seeds which draws are mirrored, with probability one half."""
    seeds = np.array([draw.seed or 0 for draw in draws], np.uint64)
    drawn = np.array([draw.seed is not None for draw in draws])
    return drawn & (mix(seeds) >> np.uint64(63)).astype(bool)
