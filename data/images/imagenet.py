"""ImageNet-1k, from its usual folder layouts."""

from collections.abc import Sequence
from typing import ClassVar

from data.files.errors import DataError
from data.images.folder import ImageFolder
from data.images.listing import Listing

__all__ = ["ImageNet"]

CLASSES = 1000


class ImageNet(ImageFolder):
    """1,281,167 training and 50,000 validation images of 1,000 synsets.

    Read from `train/<synset>/*.JPEG` and `val/<synset>/*.JPEG`, or from
    `ILSVRC2012_train/data/<synset>/...` and `ILSVRC2012_validation/data/<synset>/...`. Labels
    number the synsets in sorted order, the convention of the field.

    Two preparations are common. ADM, DiT and SiT: `resize="adm"`, `flip=True`. GSQ:
    `resize="bilinear"`, `test_short_side=292` for 256 pixels, no flip.

    Args:
        root: path of the folder, also relative to LDM_DATA or `datasets/`.
        size: side of the square images, or their height and width, pixels.
        short_side: as for `ImageFolder`.
        test_short_side: as for `ImageFolder`.
        resize: "adm" or "bilinear", see `Crop`.
        crop: "center" or "random".
        flip: mirror training images at random.
        verify: decode every file before training; off by default, as this reads the whole dataset.
        skip_corrupt: leave out damaged files and count them in `skipped`.
        seed: seed of the sample order and the augmentation.
        workers: number of data loading processes.

    Raises:
        DataError: as for `ImageFolder`, or a split does not have 1,000 classes.
    """

    name = "ImageNet"
    classes = 1000
    train_folders: ClassVar[tuple[str, ...]] = ("train", "ILSVRC2012_train/data")
    test_folders: ClassVar[tuple[str, ...]] = ("val", "validation", "ILSVRC2012_validation/data")
    tables: ClassVar[tuple[str, ...]] = ()
    how_to_get = (
        "ask for ImageNet at https://image-net.org (ILSVRC2012) and unpack it to "
        "train/<synset>/*.JPEG and val/<synset>/*.JPEG"
    )

    def __init__(
        self,
        root: str = "imagenet",
        size: int | Sequence[int] = 256,
        short_side: int | None = None,
        test_short_side: int | None = None,
        resize: str = "adm",
        crop: str = "center",
        flip: bool = False,
        verify: bool = False,
        skip_corrupt: bool = False,
        seed: int = 0,
        workers: int = 8,
    ) -> None:
        super().__init__(
            root,
            size,
            short_side=short_side,
            test_short_side=test_short_side,
            resize=resize,
            crop=crop,
            flip=flip,
            verify=verify,
            skip_corrupt=skip_corrupt,
            seed=seed,
            workers=workers,
        )

    def splits(self) -> dict[str, Listing]:
        listings = super().splits()
        for listing in listings.values():
            found = len(set(listing.classes))
            if found != CLASSES:
                raise DataError(
                    f"ImageNet has {CLASSES} classes, {listing.folder} has {found}: "
                    f"{self.how_to_get}"
                )
        return listings
