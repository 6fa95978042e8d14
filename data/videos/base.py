"""The base class of video datasets."""

from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from data.batch import Batch
from data.files.errors import DataError
from data.images.clips import FPS, write_mp4
from data.images.crop import Crop, height_width
from data.images.grid import grid
from data.images.pixels import Pixels
from data.images.reading import SKIP
from data.videos.files import VideoFiles
from data.videos.inspection import examined
from data.videos.jitter import Jitter
from data.videos.listing import list_videos
from data.videos.sampling import Sampling
from data.videos.squash import Squash

__all__ = ["Videos"]


class Videos(Pixels):
    """Dataset of clips of one length and size in [-1, 1], grey or colour."""

    frames: int
    """Frames of `x`."""

    fps: float = FPS
    """Frames a second of the clips, at which samples are written."""

    sampling: Sampling | None = None
    """Which frames of longer videos a clip has; None where videos are as long as clips."""

    jitter: Jitter | None = None
    """Random changes of the colours of training clips; None for none."""

    rate: float = FPS
    """Frames a second of whole videos, of which clips may leave some out."""

    resampled: float | None = None
    """Frames a second that videos are brought to; None for frames as they are."""

    crop: Crop | Squash | None = None
    """How files are brought to `size`; None where samples are no files."""

    data_seed: int = 0
    """Seed of the clips that evaluation reads."""

    suffix = ".mp4"
    shown: ClassVar[int] = 16
    overview: ClassVar[int] = 16

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of one `x`: `(channels, frames, height, width)`."""
        return (self.channels, self.frames, *height_width(self.size))

    @property
    def views(self) -> tuple[str, ...]:
        """Views of a clip; empty for random frames or colours, which cannot be listed."""
        drawn = self.sampling is not None and self.sampling.random
        return () if drawn or self.jitter is not None else super().views

    def own_files(self, folder: Path) -> VideoFiles:
        listing = list_videos(folder, classes=False)
        sampling = (self.sampling or Sampling(self.frames)).one_each
        films, faults = examined(listing, self.channels, True, sampling, self.rate, self.resampled)
        if faults:
            raise DataError(faults[min(faults)].removesuffix(SKIP))
        clips = VideoFiles(
            listing.folder,
            listing.names,
            films,
            self.resampled,
            self.rate,
            labels=torch.full((len(films),), -1),
            sampling=sampling,
            crop=self.crop or Crop(self.shape[2:]),
            channels=self.channels,
            data_seed=self.data_seed,
        )
        if not len(clips):
            raise DataError(f"no video under {folder} has the {sampling.span} frames of a clip")
        return clips

    def show(self, batch: Batch, columns: int | None = None) -> Float[Tensor, "t 3 height width"]:
        """Draw a grid of clips: a clip of grids."""
        return torch.stack([grid(x, columns) for x in self.floats(batch).unbind(2)])

    def write(self, path: Path, pixels: UInt8[Tensor, "3 t h w"], sample: Batch) -> None:
        """Write a clip as MP4, which plays at its own `fps` where it has one."""
        write_mp4(path, pixels.transpose(0, 1), float(sample.get("fps", self.fps)))
