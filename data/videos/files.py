"""Clips that are decoded from files of videos on access."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from PIL import Image
from torch import Tensor

from data.batch import Batch
from data.images.clips import FPS
from data.order import Draw
from data.videos.clips import Clips
from data.videos.film import Film, read_frames
from data.videos.inspection import Films

__all__ = ["VideoFiles"]


class VideoFiles(Clips):
    """Clips of video files and of folders of frames.

    Clips that are paced, see `Sampling`, have their frames a second under `fps`.

    Args:
        folder: that the names are relative to.
        names: of the videos.
        films: facts about them.
        fps: frames a second that videos are brought to; None for frames as they are.
        rate: frames a second of folders of frames, which have no times.
        **options: of `Clips`.

    Raises:
        DataError: a video cannot be decoded; the message names it.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        films: Sequence[Film],
        fps: float | None = None,
        rate: float = FPS,
        **options: Any,
    ) -> None:
        counts = np.array([film.count(fps) for film in films], np.int64)
        super().__init__(counts, **options)
        self.folder, self.fps, self.films, self.rate = folder, fps, Films.of(films), rate
        # One array instead of many strings, whose reference counts would make every worker process
        # copy their memory pages.
        self.names = np.array([os.fsencode(name) for name in names])

    def path(self, video: int) -> Path:
        """Return the path of a video."""
        return self.folder / os.fsdecode(self.names[video])

    def __getitems__(self, items: Sequence[int | Draw]) -> Batch:
        batch = super().__getitems__(items)
        return {**batch, "fps": self.paces(items)} if self.sampling.paced else batch

    def paces(self, items: Sequence[int | Draw]) -> Float32[Tensor, " b"]:
        """Frames a second of clips, on average, by the times of their first and last frames."""
        return torch.tensor([self._pace(one) for one in items], dtype=torch.float32)

    def _pace(self, item: int | Draw) -> float:
        draw = item if isinstance(item, Draw) else Draw(item)
        video, numbers = self.numbers(Draw(range(len(self))[draw.index], draw.seed))
        film, rate = self.films[video], self.fps or self.rate
        times, ticks = film.times[numbers], film.ticks
        if self.fps is not None or not ticks:
            times, ticks = numbers, rate
        seconds = (times[-1] - times[0]) / ticks
        return (len(np.unique(numbers)) - 1) / seconds if seconds else rate

    def read(self, video: int, numbers: Sequence[int]) -> list[Image.Image]:
        film = self.films[video]
        at = np.array(numbers, np.int64)
        at = at if self.fps is None else film.at(self.fps)[at]
        return read_frames(self.path(video), film, at.tolist(), self.channels)

    def source(self) -> bytes:
        """Names, sizes and modification times, of folders their own; and frames a second."""
        paced = f" {self.rate}" if self.sampling.paced else ""
        found = [f"{self.fps}{paced}".encode()]
        for video, name in enumerate(self.names):
            status = os.stat(self.path(video))
            found.append(name + f" {self.counts[video]} {status.st_mtime_ns}".encode())
        return b"\n".join(found)
