"""Videos in an HDF5 file, in the layout of VideoGPT and TATS."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, UInt8

from data.files.errors import DataError
from data.images.crop import Crop
from data.values import check_positive
from data.videos.arrays import ArrayClips, array_file
from data.videos.base import Videos
from data.videos.sampling import Sampling

__all__ = ["VideoHDF5"]


class VideoHDF5(Videos):
    """Videos of one HDF5 file: `train_data`, `train_idx`, `test_data` and `test_idx`.

    `<split>_data` holds the frames of all videos, one after the other, as bytes `(n, h, w, 3)`, and
    `<split>_idx` where each video begins. The last video ends with the data; an index that ends
    with their length names no further video.

    Args:
        root: path of the file, also relative to LDM_DATA or `datasets/`.
        size: side of the square frames, or their height and width, pixels.
        channels: 3 for colour, 1 to read as grey.
        frames: of a clip.
        stride, clips, step, short: which frames a clip has, see `Sampling`.
        flip: mirror training clips at random.
        fps: frames a second of the videos, at which samples are written.
        data_seed: of the clips that evaluation reads.
        seed: seed of the sample order and the augmentation.
        workers: number of data loading processes.

    Raises:
        DataError: the file is missing or has another layout, or a video is too short.
    """

    def __init__(
        self,
        root: str,
        size: int | Sequence[int] = 64,
        channels: int = 3,
        frames: int = 16,
        stride: int = 1,
        clips: str = "random",
        step: int = 1,
        short: str = "refuse",
        flip: bool = False,
        fps: float = 10,
        data_seed: int = 0,
        seed: int = 0,
        workers: int = 4,
    ) -> None:
        super().__init__(seed, workers)
        if channels not in (1, 3):
            raise DataError(f"videos have 1 channel or 3, got {channels}")
        check_positive(fps=fps)
        self.root, self.size, self.channels, self.frames = root, size, channels, frames
        self.sampling = Sampling(frames, stride, clips, step, short)
        self.crop, self.flip, self.data_seed = Crop(size, resize="bilinear"), flip, data_seed
        self.fps = fps / stride

    @property
    def name(self) -> str:
        return Path(self.root).stem

    @cached_property
    def path(self) -> Path:
        """Path of the file."""
        return array_file(self.root, "", "set `root` to an HDF5 file of videos")

    def load(self, split: str) -> "HDF5Clips":
        starts, counts = _videos(self.path, split)
        short = np.flatnonzero(counts < self.sampling.span)
        if len(short) and self.sampling.short == "refuse":
            raise DataError(
                f"{self.path} holds {len(short)} videos of fewer than the {self.sampling.span} "
                f"frames that a clip spans, number {short[0]} of {split} first: ask for fewer, or "
                "set short=drop or short=repeat"
            )
        return HDF5Clips(
            self.path,
            starts,
            counts,
            split,
            labels=torch.full((len(counts),), -1),
            sampling=self.sampling,
            crop=self.crop,
            channels=self.channels,
            data_seed=self.data_seed,
            flip=self.flip and split == "train",
        )


class HDF5Clips(ArrayClips):
    """Clips of one split; each process opens the file for itself.

    Args:
        path: of the file.
        starts: first frame of each video.
        counts: frames of each video.
        split: "train" or "test".
        **options: of `Clips`.
    """

    def __init__(
        self,
        path: Path,
        starts: Int64[np.ndarray, " videos"],
        counts: Int64[np.ndarray, " videos"],
        split: str,
        **options: Any,
    ) -> None:
        super().__init__(path, counts, split, **options)
        self.starts = starts
        self._opened: tuple[int, Any] | None = None

    def levels(self, video: int, first: int, last: int) -> UInt8[np.ndarray, "t h w 3"]:
        start = int(self.starts[video])
        return self._data()[start + first : start + last + 1]

    def _data(self) -> Any:
        import h5py  # late: it takes long to import

        if self._opened is None or self._opened[0] != os.getpid():  # a file survives no fork
            self._opened = (os.getpid(), h5py.File(self.path, "r")[f"{self.part}_data"])
        return self._opened[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}


def _videos(path: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """First frames of all videos of a split, and their numbers of frames."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            data, index = file[f"{split}_data"], file[f"{split}_idx"][:]
            total, shape, kind = len(data), data.shape, data.dtype
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is no HDF5 file with {split}_data and {split}_idx ({error}): make it again"
        ) from error
    if index.ndim != 1 or index.dtype.kind not in "iu":
        raise DataError(
            f"{path}: {split}_idx must be whole numbers (videos,), got {index.dtype} {index.shape}"
        )
    ends = np.append(index[1:], total)
    counts = (ends - index).astype(np.int64)
    if len(shape) != 4 or shape[-1] != 3 or kind != np.uint8:
        raise DataError(f"{path}: {split}_data must be bytes (n, h, w, 3), got {kind} {shape}")
    if not len(index) or index[0] < 0 or (counts[:-1] < 1).any() or counts[-1] < 0:
        raise DataError(f"{path}: {split}_idx must ascend from 0 to the {total} frames that follow")
    kept = counts > 0
    return index[kept].astype(np.int64), counts[kept]
