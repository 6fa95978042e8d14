"""Datasets of images in tar shards, read in place."""

from collections.abc import Sequence
from functools import cached_property

from data.files.errors import DataError
from data.images.folder import ImageFolder
from data.images.listing import Listing
from data.images.shard_index import list_shards

__all__ = ["ImageShards"]


class ImageShards(ImageFolder):
    """Images in uncompressed tar shards, in the layout of WebDataset: `<key>.jpg`, `.cls`, `.txt`.

    Each image is read at its place in its shard, and nothing is unpacked. So samples are a function
    of their index, and order, resumption and splits are those of images in folders; reads are in
    random order, which fast local or cached storage bears.

    Labels are the numbers in `.cls`, captions the texts in `.txt`; other members are left alone.

    Args:
        root: path of the folder of shards, also relative to LDM_DATA or `datasets/`.
        train: pattern of the shards of training images, such as `*train*.tar`.
        test: that of the test images; where none matches, a fixed fraction of the images of `train`
            is held out.
        number: of classes; by default one more than the largest label of a training image.
        size, channels, short_side, test_short_side, resize, crop, flip, test_fraction, verify,
            skip_corrupt, seed, workers: as for `ImageFolder`.

    Raises:
        DataError: there are no shards, or as for `list_shards`; labels are not below `number`.

    Example:
        >>> ImageShards("imagenet_shards", size=64).shape
        (3, 64, 64)
    """

    how_to_get = "set `root` to a folder of tar shards"

    def __init__(
        self,
        root: str,
        train: str = "*train*.tar",
        test: str = "*val*.tar",
        number: int | None = None,
        size: int | Sequence[int] = 256,
        channels: int = 3,
        short_side: int | None = None,
        test_short_side: int | None = None,
        resize: str = "adm",
        crop: str = "center",
        flip: bool = False,
        test_fraction: float = 0.1,
        verify: bool = True,
        skip_corrupt: bool = False,
        seed: int = 0,
        workers: int = 4,
    ) -> None:
        super().__init__(
            root,
            size,
            channels,
            short_side,
            test_short_side,
            resize,
            crop,
            flip,
            test_fraction=test_fraction,
            verify=verify,
            skip_corrupt=skip_corrupt,
            seed=seed,
            workers=workers,
        )
        self.patterns, self.number = {"train": train, "test": test}, number

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        found = {
            split: max((int(one) for one in set(listing.classes)), default=-1) + 1
            for split, listing in self._listings.items()
        }
        count = found["train"] if self.number is None else self.number
        if (most := max(found.values())) > count:
            raise DataError(
                f"{self.folder} holds the label {most - 1}, and there are {count} classes: set "
                f"number={most} or more, or choose other shards"
            )
        return tuple(map(str, range(count))) if most else ()

    def both(self) -> tuple[Listing, Listing | None]:
        found = {
            split: sorted(path.relative_to(self.folder).as_posix() for path in paths)
            for split, pattern in self.patterns.items()
            if (paths := [path for path in self.folder.glob(pattern) if path.is_file()])
        }
        if "train" not in found:
            there = sorted(path.name for path in self.folder.iterdir())[:5]
            raise DataError(
                f"no shard of {self.folder} matches train={self.patterns['train']!r}: it holds "
                f"{', '.join(there) or 'nothing'}; set the pattern"
            )
        if twice := set(found["train"]) & set(found.get("test", ())):
            raise DataError(f"{min(twice)} matches both train and test: set the patterns apart")
        listings = {
            split: self.sound(list_shards(self.folder, shards)) for split, shards in found.items()
        }
        return listings["train"], listings.get("test")
