"""Videos in folders of one's own: files, and folders of frames."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from data.batch import Batch
from data.files.errors import DataError
from data.images.crop import Crop
from data.images.folders import Folders
from data.images.listing import Listing
from data.values import check_positive
from data.videos.base import Videos
from data.videos.files import VideoFiles
from data.videos.film import Film
from data.videos.inspection import examined
from data.videos.jitter import Jitter
from data.videos.listing import list_videos
from data.videos.sampling import Sampling
from data.videos.squash import Squash

__all__ = ["VideoFolder"]


class VideoFolder(Folders, Videos):
    """Clips of the videos of `root/train/<class>/*` and `root/test/<class>/*`, or without classes.

    A video is a file, or a folder of images in natural order. Splits, archives and captions are as
    in `ImageFolder`. What cannot be read as asked for is found before training: damaged, truncated
    and too short videos, grey ones where colour is asked for, unknown codecs, and frames at a
    variable rate; it is refused by name, or left out and counted in `skipped`.

    Args:
        root: path of the folder or archive, also relative to LDM_DATA or `datasets/`.
        size: side of the square frames, or their height and width, pixels.
        channels: 3 for colour, 1 to read all videos as grey.
        frames: of a clip.
        stride, clips, step, short: which frames a clip has, see `Sampling`; clips of "part" have
            their frames a second as `fps`, by which samples can be asked for.
        resize: "bilinear" or "adm", see `Crop`: the frame is resized to cover `size`, and cropped
            at the centre; "squash" changes its shape, see `Squash`.
        flip: mirror training clips at random.
        jitter: changes the colours of training clips at random, see `Jitter`.
        classes: whether the first folders are classes.
        train: name of the folder of training videos, or several that it may have.
        test: the same of the test split.
        fps: frames a second of the clips, at which samples are written.
        resample: read the frames that are shown at `fps` frames a second, for videos of other and
            of variable rates; by default frames are read as they are, as papers' loaders do.
        test_fraction: fraction held out if there is no test folder.
        verify: decode every video before training; the result is cached until the folder changes.
        skip_corrupt: leave out what cannot be read, and count it.
        data_seed: of the clips that evaluation reads.
        seed: seed of the sample order and the augmentation.
        workers: number of data loading processes.

    Raises:
        DataError: `root` is missing or empty, a number is out of range, or a video cannot be read.

    Example:
        >>> VideoFolder("clips", size=[128, 256], frames=32, stride=2).shape
        (3, 32, 128, 256)
    """

    kind = "videos"
    how_to_get = "set `root` to a folder of videos, of class folders, or of train/ and test/"

    def __init__(
        self,
        root: str,
        size: int | Sequence[int] = 256,
        channels: int = 3,
        frames: int = 16,
        stride: int = 1,
        clips: str = "random",
        step: int = 1,
        short: str = "refuse",
        resize: str = "bilinear",
        flip: bool = False,
        jitter: Jitter | None = None,
        classes: bool = True,
        train: str | Sequence[str] = Folders.train_folders,
        test: str | Sequence[str] = Folders.test_folders,
        fps: float = 25,
        resample: bool = False,
        test_fraction: float = 0.1,
        verify: bool = True,
        skip_corrupt: bool = False,
        data_seed: int = 0,
        seed: int = 0,
        workers: int = 4,
    ) -> None:
        super().__init__(seed, workers)
        if channels not in (1, 3):
            raise DataError(f"videos have 1 channel or 3, got {channels}")
        if not 0 < test_fraction < 1:
            raise DataError(f"test_fraction must be in (0, 1), got {test_fraction}")
        if not root:
            raise DataError(f"root is empty: {self.how_to_get}")
        check_positive(fps=fps)
        self.root, self.size, self.channels, self.frames = root, size, channels, frames
        self.sampling = Sampling(frames, stride, clips, step, short)
        self.crop = Squash(size) if resize == "squash" else Crop(size, resize=resize)
        self.flip, self.jitter = flip, jitter
        self.in_classes, self.data_seed = classes, data_seed
        self.train_folders = (train,) if isinstance(train, str) else tuple(train)
        self.test_folders = (test,) if isinstance(test, str) else tuple(test)
        self.rate, self.resampled = fps, fps if resample else None
        self.test_fraction, self.verify, self.skip_corrupt = test_fraction, verify, skip_corrupt
        self.skipped = 0
        self._films: dict[str, Film] = {}

    @property
    def fps(self) -> float:
        """Frames a second of the clips, of which `stride` leaves some out."""
        return self.rate / self.sampling.stride

    def load(self, split: str) -> VideoFiles:
        listing = self._listings[split]
        number = {name: label for label, name in enumerate(self.class_names)}
        labels = [number[name] for name in listing.classes] or [-1] * len(listing.names)
        clips = VideoFiles(
            listing.folder,
            listing.names,
            [self._films[str(listing.folder / name)] for name in listing.names],
            self.resampled,
            self.rate,
            labels=torch.tensor(labels),
            sampling=self.sampling,
            crop=self.crop,
            channels=self.channels,
            data_seed=self.data_seed,
            flip=self.flip and split == "train",
            jitter=self.jitter if split == "train" else None,
            captions=listing.captions,
            width=self.text_width,
        )
        if not len(clips):
            raise DataError(
                f"no video of the {split} split of {self.name} has the {self.sampling.span} frames "
                "that a clip spans: ask for fewer frames, or set short=repeat"
            )
        return clips

    def example(self, n: int) -> Batch:
        paces = {"fps": torch.full((n,), float(self.rate))} if self.sampling.paced else {}
        return {**super().example(n), **paces}

    def requests(self, indices: Sequence[int], seed: int, **asked: Any) -> Batch:
        """Return conditions as `ImageFolder` does, and `fps` where clips have it.

        It is that of the test clips, in turn, or the one asked for.
        """
        if not self.sampling.paced:
            return super().requests(indices, seed, **asked)
        fps = asked.pop("fps", None)
        batch = super().requests(indices, seed, **asked)
        if fps is None:
            clips = self.test_dataset
            return {**batch, "fps": clips.paces([index % len(clips) for index in indices])}
        if isinstance(fps, bool) or not isinstance(fps, int | float):
            raise DataError(f"fps is a number of frames a second, got {fps!r}")
        check_positive(fps=fps)
        return {**batch, "fps": torch.full((len(indices),), float(fps))}

    def listed(self, folder: Path) -> Listing:
        return list_videos(folder, self.in_classes)

    def sound(self, listing: Listing) -> Listing:
        """Find the frames of all videos once; leave out those that cannot be read, or refuse them.

        Raises:
            DataError: a video cannot be read as asked for; the message names the first.
        """
        films, faults = examined(
            listing, self.channels, self.verify, self.sampling, self.rate, self.resampled
        )
        paths = [str(listing.folder / name) for name in listing.names]
        self._films |= dict(zip(paths, films, strict=True))
        return self.without(listing, faults)
