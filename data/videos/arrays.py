"""Clips of videos whose frames are in arrays on disk: HDF5 files, and the file of Moving MNIST."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from data.files.errors import DataError
from data.files.roots import expanded, find, looked_for, stamp
from data.videos.clips import Clips

__all__ = ["ArrayClips", "array_file"]


class ArrayClips(Clips):
    """Clips of frames in an array, which stays on disk.

    Args:
        path: of the file.
        counts: frames of each video.
        part: which videos of the file they are.
        **options: of `Clips`.
    """

    def __init__(
        self, path: Path, counts: Int64[np.ndarray, " videos"], part: str, **options: Any
    ) -> None:
        super().__init__(counts, **options)
        self.path, self.part = path, part

    @abstractmethod
    def levels(self, video: int, first: int, last: int) -> UInt8[np.ndarray, "t h w *colours"]:
        """Load the frames from the first to the last, both included."""

    def read(self, video: int, numbers: Sequence[int]) -> list[Image.Image]:
        first = numbers[0]
        frames = self.levels(video, first, numbers[-1])
        mode = "L" if self.channels == 1 else "RGB"
        images = {n: Image.fromarray(frames[n - first]).convert(mode) for n in set(numbers)}
        return [images[n] for n in numbers]

    def source(self) -> str:
        return f"{self.part} {stamp(self.path)}"


def array_file(root: str, name: str, how_to_get: str) -> Path:
    """Find the file of a set: `root` itself, or one of this name in it.

    Raises:
        DataError: it is nowhere.
    """
    for place in (expanded(root), find(None, root)):
        path = place / name if place is not None and place.is_dir() else place
        if path is not None and path.is_file():
            return path
    raise DataError(f"{root} is not there, nor at {looked_for(None, root)}: {how_to_get}")
