"""Sets of images, and their datasets: held in memory, or read from files."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from data.batch import Batch
from data.files.errors import DataError
from data.files.whole import staging
from data.images.crop import Crop
from data.images.grid import grid, save_picture
from data.module import DataModule
from data.order import Draw, mix

__all__ = ["ImageDataset", "ImageFiles", "Images", "MemoryImages", "coins", "read_image"]

REMEDY = "mend or remove it, or set skip_corrupt=True"


class Images(DataModule):
    """A set of square images in [-1, 1], grey or colour."""

    channels: int
    """Of `x`."""

    size: int
    """Height and width of `x`, pixels."""

    flip: bool = False
    """Whether training draws mirror an image, one in two."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one `x`: `(channels, height, width)`."""
        return (self.channels, self.size, self.size)

    @property
    def views(self) -> tuple[str, ...]:
        """As it is, and mirrored left to right where the set is flipped."""
        return ("plain", "mirrored") if self.flip else ("plain",)

    def view(self, batch: Batch, name: str) -> Batch:
        return {**batch, "x": batch["x"].flip(-1)} if name == "mirrored" else batch

    def drawn_views(self, draws: Sequence[Draw]) -> Int64[np.ndarray, " n"]:
        return coins(draws).astype(np.int64) if self.flip else super().drawn_views(draws)

    def show(self, batch: Batch, columns: int | None = None) -> Float[Tensor, "3 height width"]:
        return grid(batch["x"], columns)

    def compact(self, batch: Batch) -> Batch:
        """Bytes, each the nearest to its pixel; bytes are left alone."""
        x = batch["x"]
        if x.dtype == torch.uint8:
            return batch
        # In float32 at least: half precision cannot tell neighbouring levels apart.
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        return {**batch, "x": (x * 127.5 + 128).clamp(0, 255).byte()}

    def save(self, folder: Path, batch: Batch) -> None:
        """Write `00000.png` and on, `samples.png` with the first hundred, and `samples.npz`.

        The last is in the layout that ADM's evaluation suite reads: colour bytes `(n, h, w, 3)`
        under `arr_0`, labels under `arr_1`.
        """
        pixels = self.compact(batch)["x"].cpu()
        colour = pixels.expand(-1, 3, -1, -1)
        for number, image in enumerate(colour):
            save_picture(folder / f"{number:05d}.png", image.float().div(255))
        first = pixels[:100].float().div(127.5).sub(1)
        save_picture(folder / "samples.png", self.show({"x": first}))
        arrays = {"arr_0": colour.permute(0, 2, 3, 1).numpy()}
        if "label" in batch:
            arrays["arr_1"] = batch["label"].cpu().numpy()
        with staging(folder / "samples.npz") as part:
            np.savez(part, **arrays)


class ImageDataset(Dataset, ABC):
    """Map-style images in [-1, 1] with labels.

    An item is asked for by its index, and comes as it is; or by a `Draw`, and comes augmented as
    the draw's seed says. Lists of items are answered with a whole batch, so that it can be made in
    one step (the data loader asks so by itself).

    Args:
        labels: class of each image; -1 where there are no classes.
        flip: mirror a drawn image left to right with probability one half.
    """

    def __init__(self, labels: Int64[Tensor, " n"], flip: bool = False) -> None:
        self.labels, self.flip = labels, flip

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
        return {"x": x, "label": self.labels[index], "index": index}

    @abstractmethod
    def pixels(
        self, index: Int64[Tensor, " b"], draws: Sequence[Draw]
    ) -> Float32[Tensor, "b c h w"]:
        """Images at these indices in [-1, 1], cropped as their draws say, not yet mirrored."""

    @abstractmethod
    def digest(self) -> str:
        """A hash of all that decides pixels, labels and augmentation."""


def coins(draws: Sequence[Draw]) -> np.ndarray:
    """Which draws are to be mirrored, where a set is flipped: one in two, as their seeds say."""
    seeds = np.array([draw.seed or 0 for draw in draws], np.uint64)
    drawn = np.array([draw.seed is not None for draw in draws])
    return drawn & (mix(seeds) >> np.uint64(63)).astype(bool)


class MemoryImages(ImageDataset):
    """Images held as one tensor of bytes; a batch is one gather and one scaling.

    Args:
        images: `(n, c, h, w)`, from 0 for black to `white`.
        labels: class of each image.
        flip: as for `ImageDataset`.
        white: the value that becomes 1; 0 becomes -1.

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
    ) -> None:
        super().__init__(labels, flip)
        self.images, self.white = images, white

    def pixels(
        self, index: Int64[Tensor, " b"], draws: Sequence[Draw]
    ) -> Float32[Tensor, "b c h w"]:
        return self.images[index].float().mul_(2 / self.white).sub_(1)

    def digest(self) -> str:
        digest = hashlib.sha256(f"{tuple(self.images.shape)} {self.white} {self.flip}".encode())
        digest.update(self.images.numpy())
        digest.update(self.labels.numpy())
        return digest.hexdigest()


class ImageFiles(ImageDataset):
    """Images read from files when they are asked for.

    Args:
        folder: that the names are relative to.
        names: of the files.
        labels: class of each file.
        crop: makes every picture a square of one size.
        channels: 1 for grey, 3 for colour; files of the other kind are converted.
        flip: as for `ImageDataset`.

    Raises:
        DataError: a file that is asked for cannot be decoded or holds NaN; named by its path.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        labels: Int64[Tensor, " n"],
        crop: Crop,
        channels: int = 3,
        flip: bool = False,
    ) -> None:
        super().__init__(labels, flip)
        self.folder, self.crop, self.channels = folder, crop, channels
        # One array of bytes: a million Python strings would be copied into every worker process,
        # page by page, as their reference counts are written.
        self.names = np.array([os.fsencode(name) for name in names])

    def path(self, index: int) -> Path:
        """Where an image lies."""
        return self.folder / os.fsdecode(self.names[index])

    def pixels(
        self, index: Int64[Tensor, " b"], draws: Sequence[Draw]
    ) -> Float32[Tensor, "b c h w"]:
        size = self.crop.size
        out = np.empty((len(draws), size, size, self.channels), np.float32)
        for row, i, draw in zip(out, index.tolist(), draws, strict=True):
            rng = None if draw.seed is None else np.random.default_rng(draw.seed)
            image = read_image(self.path(i), self.channels)
            square = np.asarray(self.crop(image, rng), np.float32)
            white = 1 if image.mode == "F" else 255
            # A bicubic filter overshoots; bytes were clipped by PIL, real numbers were not.
            row[:] = (square.reshape(size, size, -1) * np.float32(2 / white) - 1).clip(-1, 1)
        return torch.from_numpy(out).permute(0, 3, 1, 2).contiguous()

    def digest(self) -> str:
        digest = hashlib.sha256(f"{self.crop} {self.channels} {self.flip}".encode())
        for name in self.names:
            status = os.stat(self.folder / os.fsdecode(name))
            digest.update(name + f" {status.st_size} {status.st_mtime_ns}\n".encode())
        digest.update(self.labels.numpy())
        return digest.hexdigest()


def read_image(path: Path, channels: int = 3) -> Image.Image:
    """Decode a file to a grey or colour picture.

    Transparency is dropped and the orientation tag ignored, as papers' loaders do. Pictures of real
    numbers (TIFF) are taken to be in [0, 1], those of 16 bits are brought there; both are grey, and
    come in PIL's mode "F".

    Raises:
        DataError: the file cannot be decoded or holds values that are not finite; with its path.
    """
    try:
        with Image.open(path) as image:
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is not a sound image ({error}): {REMEDY}") from error
    if image.mode != "F" and not image.mode.startswith("I"):
        return image.convert("L" if channels == 1 else "RGB")
    # PIL would clip these to 255 instead of scaling them.
    values = np.asarray(image, np.float32) / (1 if image.mode == "F" else 65535)
    if not np.isfinite(values).all():
        raise DataError(f"{path} holds NaN or infinity: {REMEDY}")
    low, high = values.min(), values.max()
    if low < 0 or high > 1:
        raise DataError(f"{path} holds real numbers in [{low:g}, {high:g}]: scale them to [0, 1]")
    return Image.fromarray(values)
