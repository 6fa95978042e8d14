"""Base classes of image datasets, and images held in memory."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from data.batch import Batch
from data.files.errors import DataError
from data.files.whole import staging
from data.images.captions import as_strings, as_text
from data.images.crop import height_width
from data.images.grid import grid, write_png
from data.images.prompts import ClassCaptions, read_prompts
from data.module import DataModule
from data.order import Draw, mix

__all__ = ["ImageDataset", "Images", "MemoryImages", "coins"]


class Images(DataModule):
    """Dataset of images of one size in [-1, 1], grey or colour."""

    channels: int
    """Channels of `x`: 1 or 3."""

    size: int | Sequence[int]
    """Side of the square `x`, or its height and width, pixels."""

    flip: bool = False
    """Mirror training images left to right with probability one half."""

    class_captions: ClassCaptions | None = None
    """Captions that name the classes; None without captions, or with others."""

    @property
    def text_width(self) -> int:
        """Bytes of the longest caption; 0 without captions."""
        return self.class_captions.width if self.class_captions else 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one `x`: `(channels, height, width)`."""
        return (self.channels, *height_width(self.size))

    @property
    def views(self) -> tuple[str, ...]:
        """Views of an image: plain, and with `flip` also mirrored left to right."""
        return ("plain", "mirrored") if self.flip else ("plain",)

    def view(self, batch: Batch, name: str) -> Batch:
        return {**batch, "x": batch["x"].flip(-1)} if name == "mirrored" else batch

    def drawn_views(self, draws: Sequence[Draw]) -> Int64[np.ndarray, " n"]:
        return coins(draws).astype(np.int64) if self.flip else super().drawn_views(draws)

    def example(self, n: int) -> Batch:
        text = {"text": torch.zeros(n, self.text_width, dtype=torch.int64)}
        return {**super().example(n), **(text if self.text_width else {})}

    def requests(self, indices: Sequence[int], seed: int, **asked: Any) -> Batch:
        """Return conditions as any dataset does, and a `text` where images have captions.

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

    def show(self, batch: Batch, columns: int | None = None) -> Float[Tensor, "3 height width"]:
        x = batch["x"]
        return grid(x.float() / 127.5 - 1 if x.dtype == torch.uint8 else x, columns)

    def compact(self, batch: Batch) -> Batch:
        """Round pixels to the nearest bytes; bytes are unchanged."""
        x = batch["x"]
        if x.dtype == torch.uint8:
            return batch
        # Use float32 or better: half precision does not resolve neighbouring levels.
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        return {**batch, "x": (x * 127.5 + 128).clamp(0, 255).byte()}

    def save(self, folder: Path, batch: Batch) -> None:
        """Write `00000.png`, ..., `samples.npz`, and captions, if any, as `metadata.jsonl`.

        `samples.npz` has the layout of ADM's evaluation suite: RGB bytes `(n, h, w, 3)` under
        `arr_0`, labels under `arr_1`. `metadata.jsonl` is a table that `ImageFolder` reads.
        """
        folder.mkdir(parents=True, exist_ok=True)
        pixels = self.compact(batch)["x"].cpu()
        colour = pixels.expand(-1, 3, -1, -1)
        for number, image in enumerate(colour):
            write_png(folder / f"{number:05d}.png", image.float().div(255))
        arrays = {"arr_0": colour.permute(0, 2, 3, 1).numpy()}
        if "label" in batch:
            arrays["arr_1"] = batch["label"].cpu().numpy()
        with staging(folder / "samples.npz") as part:
            np.savez(part, **arrays)
        if "text" in batch:
            texts = enumerate(as_strings(batch["text"]))
            rows = [{"file_name": f"{number:05d}.png", "text": text} for number, text in texts]
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (folder / "metadata.jsonl").write_text(lines, encoding="utf-8")


class ImageDataset(Dataset, ABC):
    """Map-style dataset of images in [-1, 1] with labels.

    An index returns the image without augmentation, a `Draw` the image augmented according to its
    seed. `__getitems__`, which torch's data loader calls, returns a whole batch in one step.

    Args:
        labels: class of each image; -1 if there are no classes.
        flip: mirror the images of draws left to right with probability one half.
        captions: text of each image; empty without captions.
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
    ) -> Float32[Tensor, "b c h w"]:
        """Load images in [-1, 1] at these indices, cropped according to their draws, unmirrored."""

    @abstractmethod
    def digest(self) -> str:
        """Hash everything that determines pixels, labels and augmentation."""


def coins(draws: Sequence[Draw]) -> np.ndarray:
    """Decide from the seeds which draws are mirrored, with probability one half."""
    seeds = np.array([draw.seed or 0 for draw in draws], np.uint64)
    drawn = np.array([draw.seed is not None for draw in draws])
    return drawn & (mix(seeds) >> np.uint64(63)).astype(bool)


class MemoryImages(ImageDataset):
    """Images held in memory as one tensor of bytes.

    Args:
        images: `(n, c, h, w)`, from 0 for black to `white`.
        labels: class of each image.
        flip: as for `ImageDataset`.
        white: the byte that is mapped to 1; 0 is mapped to -1.
        captions: that name the classes; None for images without captions.

    Example:
        >>> images = MemoryImages(torch.full((5, 1, 8, 8), 255, dtype=torch.uint8), torch.arange(5))
        >>> batch = images.__getitems__([3, 4])
        >>> batch["x"].shape, batch["x"].max().item(), batch["label"].tolist()
        (torch.Size([2, 1, 8, 8]), 1.0, [3, 4])
    """

    def __init__(
        self,
        images: UInt8[Tensor, "n c h w"],
        labels: Int64[Tensor, " n"],
        flip: bool = False,
        white: int = 255,
        captions: ClassCaptions | None = None,
    ) -> None:
        texts = captions.of(labels.tolist(), range(len(labels))) if captions else ()
        super().__init__(labels, flip, texts, captions.width if captions else 0)
        self.images, self.white = images, white

    def pixels(
        self, index: Int64[Tensor, " b"], draws: Sequence[Draw]
    ) -> Float32[Tensor, "b c h w"]:
        return self.images[index].float().mul_(2 / self.white).sub_(1)

    def digest(self) -> str:
        digest = hashlib.sha256(f"{tuple(self.images.shape)} {self.white} {self.flip}".encode())
        digest.update(self.images.numpy())
        digest.update(self.labels.numpy())
        digest.update(self.captions.tobytes())
        return digest.hexdigest()
