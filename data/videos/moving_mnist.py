"""The file of Moving MNIST, 10,000 sequences of two moving digits."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from data.files.arrays import read_array
from data.files.errors import DataError
from data.images.crop import Crop
from data.values import check_positive
from data.videos.arrays import ArrayClips, array_file
from data.videos.base import Videos
from data.videos.sampling import Sampling

__all__ = ["MovingMNIST"]

LENGTH = 20


class MovingMNIST(Videos):
    """10,000 sequences of 20 frames, 64x64, in which two digits of MNIST move.

    The test set of Srivastava, Mansimov and Salakhutdinov, "Unsupervised learning of video
    representations using LSTMs", 2015. It has no training set, which their generator draws: here
    the last sequences are for tests, and the others for training. `MovingDigits` draws any number.

    Args:
        root: folder of `mnist_test_seq.npy`, or its path, also relative to LDM_DATA or `datasets/`.
        frames: of a clip, at most 20.
        clips: "first", for the first frames, or "random" or "windows", see `Sampling`.
        test_clips: sequences that are held out.
        data_seed: of the clips that evaluation reads.
        seed: seed of the sample order.
        workers: number of data loading processes.

    Raises:
        DataError: the file is missing, truncated or another one, or a number is out of range.
    """

    name = "Moving MNIST"
    channels, size = 1, 64

    def __init__(
        self,
        root: str = "moving_mnist",
        frames: int = 16,
        clips: str = "first",
        test_clips: int = 1_000,
        data_seed: int = 0,
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        super().__init__(seed, workers)
        check_positive(frames=frames, test_clips=test_clips)
        if frames > LENGTH:
            raise DataError(f"sequences of Moving MNIST have {LENGTH} frames, got frames={frames}")
        self.root, self.frames = root, frames
        self.test_clips, self.data_seed = test_clips, data_seed
        self.sampling = Sampling(frames, clips=clips)

    @cached_property
    def path(self) -> Path:
        """Path of the file."""
        how = "fetch mnist_test_seq.npy of www.cs.toronto.edu/~nitish/unsupervised_video"
        return array_file(self.root, "mnist_test_seq.npy", how)

    def load(self, split: str) -> "SequenceClips":
        levels = read_array(self.path, "fetch it again", mapped=True)
        if levels.ndim != 4 or levels.shape[0] != LENGTH or levels.dtype != np.uint8:
            raise DataError(
                f"{self.path} must hold bytes (20, n, 64, 64), got {levels.dtype} {levels.shape}"
            )
        total, held = levels.shape[1], self.test_clips
        if held >= total:
            raise DataError(f"test_clips must be below the {total} of {self.path}, got {held}")
        part = slice(0, total - held) if split == "train" else slice(total - held, total)
        return SequenceClips(
            self.path,
            levels[:, part],
            f"{part}",
            labels=torch.full((part.stop - part.start,), -1),
            sampling=self.sampling,
            crop=Crop(self.size),
            channels=1,
            data_seed=self.data_seed,
        )


class SequenceClips(ArrayClips):
    """Clips of sequences of one length.

    Args:
        path: of the file.
        sequences: time first, mapped into memory.
        part: which of the file they are.
        **options: of `Clips`.
    """

    def __init__(
        self, path: Path, sequences: UInt8[np.ndarray, "t n h w"], part: str, **options: Any
    ) -> None:
        length, videos = sequences.shape[:2]
        super().__init__(path, np.full(videos, length), part, **options)
        self.sequences = sequences

    def levels(self, video: int, first: int, last: int) -> UInt8[np.ndarray, "t h w"]:
        return np.ascontiguousarray(self.sequences[first : last + 1, video])
