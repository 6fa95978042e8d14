"""MNIST, from its four idx files, optionally gzipped."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import pad

from data.files.download import download
from data.files.errors import DataError
from data.files.roots import download_folder, find, looked_for
from data.images.base import Images, MemoryImages
from data.images.prompts import DIGITS

__all__ = ["MNIST", "read_idx"]

FOLDERS = ("mnist/MNIST/raw", "MNIST/raw", ".")  # torchvision's layout, or no subfolders
PREFIXES = {"train": "train", "test": "t10k"}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
LARGEST = 16 + 60_000 * 28 * 28  # bytes of the largest file
SHA256 = {
    "train-images-idx3-ubyte": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


class MNIST(Images):
    """60,000 training and 10,000 test images of handwritten digits (LeCun et al., 1998).

    Args:
        seed: seed of the sample order and the augmentation.
        workers: number of data loading processes.
        size: 28, or 32 for a black border of two pixels.
        flip: mirror training images at random.
        binarize: binarise statically: a pixel is white if a uniform number, drawn by
            `numpy.random.RandomState(0)` for each split, is less than its grey value.
        captions: also name the digit in words, "a seven" or "the digit seven", as `text`.
        root: folder of the files; see data/README.md for the folders searched by default.

    Raises:
        DataError: files are missing, truncated or have other content.
    """

    name = "MNIST"
    channels = 1
    class_names = tuple("0123456789")

    def __init__(
        self,
        seed: int = 0,
        workers: int = 0,
        size: int = 28,
        flip: bool = False,
        root: str | None = None,
        binarize: bool = False,
        captions: bool = False,
    ) -> None:
        super().__init__(seed, workers)
        if size not in (28, 32):
            raise DataError(f"MNIST comes in sizes 28 and 32, got {size}")
        self.size, self.flip, self.root, self.binarize = size, flip, root, binarize
        self.class_captions = DIGITS if captions else None

    def prepare_data(self) -> None:
        """Download the missing files."""
        for name, sha256 in SHA256.items():
            if self._find(name) is None:
                path = download_folder(self.root) / FOLDERS[0] / f"{name}.gz"
                download(path, sha256, *(f"{mirror}{name}.gz" for mirror in MIRRORS))

    def load(self, split: str) -> MemoryImages:
        images = self._read(f"{PREFIXES[split]}-images-idx3-ubyte")
        labels = self._read(f"{PREFIXES[split]}-labels-idx1-ubyte")
        if images.shape != (len(labels), 28, 28):
            raise DataError(
                f"MNIST should hold images of 28x28 and a label for each, got images "
                f"{images.shape} and {len(labels)} labels"
            )
        if self.binarize:
            binarize(images)
        border = (self.size - 28) // 2
        return MemoryImages(
            pad(torch.from_numpy(images), (border,) * 4).unsqueeze(1),
            torch.from_numpy(labels.astype(np.int64)),
            flip=self.flip and split == "train",
            captions=self.class_captions,
        )

    def _find(self, name: str) -> Path | None:
        return find(self.root, *self._candidates(name))

    def _read(self, name: str) -> np.ndarray:
        path = self._find(name)
        if path is None:
            places = looked_for(self.root, *self._candidates(name))
            raise DataError(
                f"MNIST's {name} is at none of {places}: set `root` or LDM_DATA, "
                "or call prepare_data() to download it"
            )
        return read_idx(path)

    @staticmethod
    def _candidates(name: str) -> list[str]:
        return [f"{folder}/{name}{end}" for folder in FOLDERS for end in ("", ".gz")]


def binarize(images: np.ndarray) -> None:
    """Set pixels of `(n, 28, 28)` bytes in place: 255 with probability grey / 255, else 0."""
    uniform = np.random.RandomState(0)
    for chunk in np.array_split(images, -(-len(images) // 1000)):  # same numbers as without chunks
        chunk[:] = 255 * (uniform.random_sample(chunk.shape) < chunk / 255)


def read_idx(path: Path) -> np.ndarray:
    """Read an idx file of bytes, gzipped if its name ends in .gz.

    Raises:
        DataError: the file is truncated, or not an idx file of bytes.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is truncated or damaged ({error}): fetch it again") from error
    if len(content) > LARGEST:  # a few kilobytes may unpack to all of the memory
        raise DataError(
            f"{path} holds over {LARGEST} bytes, more than any of MNIST's: fetch it again"
        )
    axes = content[3] if len(content) > 3 else 0
    if content[:3] != b"\0\0\x08" or len(content) < 4 + 4 * axes:
        raise DataError(f"{path} is not an idx file of bytes: it begins with {content[:4].hex()}")
    shape = np.frombuffer(content, ">u4", axes, offset=4).tolist()
    values = len(content) - 4 - 4 * axes
    if values != math.prod(shape):
        raise DataError(f"{path} should hold {shape} values, got {values}: fetch it again")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape).copy()
