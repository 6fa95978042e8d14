"""LSUN, one category at a time, from its databases or from a folder."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from data.files.database import DATABASE, check_pages, keys
from data.files.errors import DataError
from data.images.folder import ImageFolder
from data.images.listing import Listing, subfolder

__all__ = ["LSUN"]


class LSUN(ImageFolder):
    """Images of one category of LSUN (Yu et al. 2015), such as 3,033,042 + 300 bedrooms.

    Scenes are published as the databases `root/<category>_train_lmdb` and
    `root/<category>_val_lmdb`, objects as `root/<category>`, which are read in place, in the order
    of their keys. Where there is none, `root/<category>` is a folder of images as of `ImageFolder`,
    without classes; folders in it are not those of classes.

    Args:
        category: "bedroom", "church_outdoor", "cat", ...
        root: path of the folder of categories, also relative to LDM_DATA or `datasets/`.
        size, short_side, test_short_side, resize, crop, flip, skip_corrupt, seed, workers: as for
            `ImageFolder`.
        test_fraction: fraction held out where no images are for tests, as of objects.
        verify: check all pages of databases, and decode every image, before training; off by
            default, as this reads the whole dataset.

    Raises:
        DataError: as for `ImageFolder`, or a database is damaged.

    Example:
        >>> LSUN("church_outdoor", size=256, flip=True).name
        'LSUN church_outdoor'
    """

    tables: ClassVar[tuple[str, ...]] = ()
    how_to_get = "get its databases by the scripts of https://github.com/fyu/lsun, and unpack them"

    def __init__(
        self,
        category: str = "bedroom",
        root: str = "lsun",
        size: int | Sequence[int] = 256,
        short_side: int | None = None,
        test_short_side: int | None = None,
        resize: str = "adm",
        crop: str = "center",
        flip: bool = False,
        test_fraction: float = 0.001,
        verify: bool = False,
        skip_corrupt: bool = False,
        seed: int = 0,
        workers: int = 4,
    ) -> None:
        super().__init__(
            root,
            size,
            short_side=short_side,
            test_short_side=test_short_side,
            resize=resize,
            crop=crop,
            flip=flip,
            test_fraction=test_fraction,
            verify=verify,
            skip_corrupt=skip_corrupt,
            seed=seed,
            workers=workers,
        )
        self.category = category
        self.train_folders = (f"{category}_train_lmdb", "train")
        self.test_folders = (f"{category}_val_lmdb", "test", "val", "validation")

    @property
    def name(self) -> str:
        return f"LSUN {self.category}"

    @cached_property
    def folder(self) -> Path:
        """Folder of the two databases, or that of the category."""
        below = super().folder
        if subfolder(below, self.train_folders[0]):
            return below
        if found := subfolder(below, self.category):
            return found
        raise DataError(
            f"{below} holds neither {self.train_folders[0]} nor {self.category}: {self.how_to_get}"
        )

    def listed(self, folder: Path) -> Listing:
        if (folder / DATABASE).is_file():
            names = [f"{DATABASE}/{key}" for key in keys(folder / DATABASE)]
            if not names:
                raise DataError(f"{folder / DATABASE} holds no images: {self.how_to_get}")
            return Listing(folder, names, [])
        return super().listed(folder)._replace(classes=[])

    def sound(self, listing: Listing) -> Listing:
        if self.verify and (listing.folder / DATABASE).is_file():
            check_pages(listing.folder / DATABASE)
        return super().sound(listing)
