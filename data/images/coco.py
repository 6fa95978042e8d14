"""COCO with its captions, from the published folders and annotations."""

import json
from pathlib import Path
from typing import Any, ClassVar

from data.files.errors import DataError
from data.images.captions import LONGEST, sound
from data.images.folder import ImageFolder
from data.images.listing import Listing

__all__ = ["COCO"]


class COCO(ImageFolder):
    """Photographs with a caption each, 118,287 + 5,000 of 2017, or 82,783 + 40,504 of 2014.

    Read from `train2017/*.jpg`, `val2017/*.jpg` and `annotations/captions_{train,val}2017.json`, or
    the same of 2014 (Chen et al., "Microsoft COCO captions", 2015). Of the five or more captions of
    an image, the one of the smallest id is taken. Arguments are those of `ImageFolder`.

    Raises:
        DataError: as for `ImageFolder`; annotations are missing or damaged, or lack an image.
    """

    name = "COCO"
    train_folders: ClassVar[tuple[str, ...]] = ("train2017", "train2014")
    test_folders: ClassVar[tuple[str, ...]] = ("val2017", "val2014")
    how_to_get = (
        "unpack train2017.zip, val2017.zip and annotations_trainval2017.zip of "
        "https://cocodataset.org there"
    )

    def captions_of(self, listing: Listing) -> list[str]:
        path = self.folder / "annotations" / f"captions_{listing.folder.name.lower()}.json"
        known = _read(path, self.how_to_get)
        for name in listing.names:
            if not sound(known.get(name)) or not known[name]:
                raise DataError(
                    f"{path} should hold a caption of 1 to {LONGEST} bytes for each image, and "
                    f"{name} has {repr(known.get(name))[:100]}: fetch it again"
                )
        return [known[name] for name in listing.names]

    def both(self) -> tuple[Listing, Listing | None]:
        train, test = super().both()
        if test is None:
            raise DataError(
                f"{self.folder} should hold train2017/ and val2017/, or those of 2014: "
                f"{self.how_to_get}"
            )
        return train, test


def _read(path: Path, how_to_get: str) -> dict[str, str]:
    """Read captions by the names of their images.

    Raises:
        DataError: the file is missing, or not one of COCO's captions.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        names = {image["id"]: image["file_name"] for image in content["images"]}
        ordered = sorted(content["annotations"], key=lambda one: one["id"], reverse=True)
        # The smallest id comes last, and stays.
        return {names[one["image_id"]]: " ".join(one["caption"].split()) for one in ordered}
    except FileNotFoundError as error:
        raise DataError(f"there is no {path}: {how_to_get}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise DataError(
            f"{path} is no sound file of COCO's captions ({type(error).__name__}: {error}): fetch "
            f"it again"
        ) from error
