"""Listings of the videos of a folder: files, and folders of frames."""

from pathlib import Path, PurePosixPath

from data.files.errors import DataError
from data.images.listing import Listing, files_below, in_classes
from data.images.reading import EXTENSIONS as IMAGES
from data.videos.decoding import EXTENSIONS

__all__ = ["list_videos"]


def list_videos(folder: Path, classes: bool = True) -> Listing:
    """List the videos of a folder: all `<class>/**/<video>`, or all `<video>`.

    A video is a file, or a folder that images are in.

    Args:
        folder: that is listed.
        classes: whether the first folders of names are classes.

    Raises:
        DataError: there are no videos, or as for `list_images`.
    """
    found = files_below(folder, EXTENSIONS + IMAGES)
    names = sorted({_video(PurePosixPath(name)) for name in found})
    if not names or "." in names:
        raise DataError(
            f"no videos under {folder}: files that end in {' '.join(EXTENSIONS)} count, and "
            "folders of images below it"
        )
    return in_classes(folder, names, "videos") if classes else Listing(folder, names, [])


def _video(file: PurePosixPath) -> str:
    return str(file) if file.suffix.lower() in EXTENSIONS else str(file.parent)
