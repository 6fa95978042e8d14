"""Images with what is left of each, from which a prior draws whole ones."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch.utils.data import Dataset

from data.batch import Batch
from data.files.errors import DataError
from data.images.base import Images
from data.images.degradation import Degradation, read_degraded
from data.module import DataModule
from data.order import Draw, mix
from data.samples import Samples

__all__ = ["Degraded"]


class Degraded(Images):
    """The images of a dataset, whose batches also have `image`: what a degradation leaves of each.

    Generated samples complete what is left of the test images in turn, with their classes and
    captions, unless others are asked for.

    Args:
        source: the images.
        degradation: makes them coarse, or draws holes.
        seed: seed of the sample order.

    Raises:
        DataError: `source` holds no images.
    """

    def __init__(self, source: DataModule, degradation: Degradation, seed: int = 0) -> None:
        super().__init__(seed, source.workers)
        if not isinstance(source, Images):
            raise DataError(
                f"what is degraded are images, and {source.name} holds others: choose "
                "data@data.source=cifar10 or another set of images"
            )
        self.source, self.degradation = source, degradation
        self.channels, self.size, self.flip, self.held = (
            source.channels,
            source.size,
            source.flip,
            source.held,
        )

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.source.class_names

    @property
    def text_width(self) -> int:
        return self.source.text_width

    @property
    def views(self) -> tuple[str, ...]:
        """Views of an image; empty for holes that are drawn at random, which cannot be listed."""
        return () if self.degradation.random else self.source.views

    def prepare_data(self) -> None:
        """Fetch the images."""
        self.source.prepare_data()

    def load(self, split: str) -> "DegradedImages":
        return DegradedImages(self.source.dataset_of(split), self.degradation)

    def own_files(self, folder: Path) -> "DegradedImages":
        return DegradedImages(self.source.own_files(folder), self.degradation)

    def view(self, batch: Batch, name: str) -> Batch:
        image = self.source.view({"x": batch["image"]}, name)["x"]
        return {**self.source.view(batch, name), "image": image}

    def drawn_views(self, draws: Sequence[Draw]) -> Int64[np.ndarray, " n"]:
        return self.source.drawn_views(draws)

    def meaning(self, key: str) -> Hashable:
        return repr(self.degradation) if key == "image" else self.source.meaning(key)

    def example(self, n: int) -> Batch:
        image = torch.zeros(n, *self.degradation.shape(self.shape))
        return {**self.source.example(n), "image": image}

    def requests(self, indices: Sequence[int], seed: int, **asked: Any) -> Batch:
        """Return conditions as the images' set does, and an `image`.

        Args:
            indices: indices of the samples in the whole generated set.
            seed: of the whole generated set.
            **asked: `image`, path of a degraded image, or of a folder of them, in turn; else it is
                that of test samples. Others are those of the images' set.

        Raises:
            DataError: as for the images' set; an image is damaged or of another size.
        """
        if (path := asked.pop("image", None)) is not None:
            images = read_degraded(path, self.degradation, self.shape)
            image = images[[index % len(images) for index in indices]]
            return {**self.source.requests(indices, seed, **asked), "image": image}
        count = len(self.test_dataset)
        found = self.test_dataset.__getitems__([index % count for index in indices])
        requested = self.source.requests(indices, seed, **asked)
        own = {} if asked else {key: found[key] for key in ("label", "text") if key in requested}
        return {**requested, **own, "image": found["image"]}

    def restore(self, batch: Batch) -> Batch:
        """Samples that are exactly what is left of an image, where something is."""
        return {**batch, "x": self.degradation.restore(batch["x"], batch["image"])}


class DegradedImages(Dataset):
    """The images of one split.

    Args:
        samples: images in [-1, 1].
        degradation: what it leaves is `image` in a batch.
    """

    def __init__(self, samples: Samples, degradation: Degradation) -> None:
        self.samples, self.degradation = samples, degradation

    def __len__(self) -> int:
        return len(self.samples)

    def __getitems__(self, items: Sequence[int | Draw]) -> Batch:
        batch = self.samples.__getitems__(items)
        draws = [item if isinstance(item, Draw) else Draw(item) for item in items]
        # Samples that are not augmented are always degraded alike.
        seeds = np.array([draw.index if draw.seed is None else draw.seed for draw in draws])
        return {**batch, "image": self.degradation(batch["x"], mix(seeds.astype(np.uint64)))}

    def digest(self) -> str:
        """Hash everything that determines the images, and what is left of them."""
        return f"{self.samples.digest()} {self.degradation}"
