"""CIFAR-10, from the official archive or an archive of JPEG files."""

import io
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from data.files.archives import opened, unpack
from data.files.cache import cached, content_key
from data.files.download import download
from data.files.errors import DataError
from data.files.roots import cache_folder, download_folder, find, looked_for, stamp
from data.images.base import Images, MemoryImages
from data.images.reading import open_image

__all__ = ["CIFAR10"]

OFFICIAL = ("cifar10/cifar-10-batches-py", "cifar-10-batches-py")
JPEG = ("cifar10_jpeg/cifar10_jpeg.tar.xz", "cifar10_jpeg.tar.xz")
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
EXPECTED = "should hold train/<class>/*.jpg and test/<class>/*.jpg of CIFAR-10's ten classes"


class CIFAR10(Images):
    """50,000 training and 10,000 test images, 32 x 32 in colour (Krizhevsky, 2009).

    The official files are used if they are found, else an archive `cifar10_jpeg.tar.xz` of
    `train/<class>/*.jpg` and `test/<class>/*.jpg`. Its compression artefacts make scores
    incomparable with published ones, so the dataset is then named "CIFAR-10 (JPEG)".

    Args:
        seed: seed of the sample order and the augmentation.
        workers: number of data loading processes.
        flip: mirror training images at random.
        root: folder of the files; see data/README.md for the folders searched by default.

    Raises:
        DataError: files are missing, truncated or have other content.
    """

    channels = 3
    size = 32
    class_names = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )

    def __init__(
        self, seed: int = 0, workers: int = 0, flip: bool = False, root: str | None = None
    ) -> None:
        super().__init__(seed, workers)
        self.flip, self.root = flip, root

    @property
    def name(self) -> str:
        return "CIFAR-10 (JPEG)" if self._source.name.endswith(".tar.xz") else "CIFAR-10"

    def prepare_data(self) -> None:
        """Download the official archive if neither form is found; decode JPEG files once."""
        if find(self.root, *OFFICIAL, *JPEG) is None:
            folder = download_folder(self.root)
            archive = folder / URL.rsplit("/", 1)[1]
            download(archive, SHA256, URL)
            unpack(archive, folder / "cifar10")
            archive.unlink()
        _ = self.train_dataset

    def load(self, split: str) -> MemoryImages:
        if self._source.name.endswith(".tar.xz"):
            decoded = self._decoded
            images, labels = decoded[f"{split}_images"], decoded[f"{split}_labels"]
        else:
            images, labels = self._official(split)
        return MemoryImages(images, labels, flip=self.flip and split == "train")

    @cached_property
    def _source(self) -> Path:
        path = find(self.root, *OFFICIAL, *JPEG)
        if path is None:
            places = looked_for(self.root, OFFICIAL[0], JPEG[0])
            raise DataError(
                f"CIFAR-10 is at none of {places}: set `root` or LDM_DATA, "
                "or call prepare_data() to download it"
            )
        return path

    def _official(self, split: str) -> tuple[Tensor, Tensor]:
        from torchvision.datasets import CIFAR10 as Official

        try:  # the files are pickles: torchvision verifies their checksums before it opens them
            files = Official(self._source.parent, train=split == "train")
        except RuntimeError as error:
            raise DataError(f"{self._source} is incomplete or damaged: remove it") from error
        images = torch.from_numpy(files.data).permute(0, 3, 1, 2).contiguous()
        return images, torch.tensor(files.targets)

    @cached_property
    def _decoded(self) -> dict[str, Tensor]:
        name = f"cifar10_jpeg-{content_key(stamp(self._source))}.safetensors"
        return cached(
            cache_folder() / "decoded" / name,
            lambda part: save_file(_decode(self._source, self.class_names), part),
            load_file,
        )


def _decode(archive: Path, class_names: tuple[str, ...]) -> dict[str, Tensor]:
    """Decode all images of an archive of JPEG files without unpacking it to disk."""
    images: dict[str, list[np.ndarray]] = {"train": [], "test": []}
    labels: dict[str, list[int]] = {"train": [], "test": []}
    with opened(archive) as members:
        for member, content in members:
            split, _, rest = member.removeprefix("./").partition("/")
            name = rest.partition("/")[0]
            if split not in images or name not in class_names:
                raise DataError(f"{archive} {EXPECTED}, got {member}")
            labels[split].append(class_names.index(name))
            images[split].append(_picture(content.read(), member))
    if not (images["train"] and images["test"]):
        raise DataError(f"{archive} {EXPECTED}, one of them is empty")
    return {
        f"{split}_{key}": value
        for split in images
        for key, value in (
            ("images", torch.from_numpy(np.stack(images[split])).permute(0, 3, 1, 2).contiguous()),
            ("labels", torch.tensor(labels[split])),
        )
    }


def _picture(content: bytes, name: str) -> np.ndarray:
    image = open_image(io.BytesIO(content), f"{name} in the archive")
    pixels = np.asarray(image.convert("RGB"))
    if pixels.shape != (32, 32, 3):
        raise DataError(f"{name} in the archive should be 32x32 in colour, got {pixels.shape}")
    return pixels
