"""Clips that are decoded from files of videos on access."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data.videos.clips import Clips
from data.videos.film import Film, read_frames
from data.videos.inspection import Films

__all__ = ["VideoFiles", "count"]


class VideoFiles(Clips):
    """Clips of video files and of folders of frames.

    Args:
        folder: that the names are relative to.
        names: of the videos.
        films: facts about them.
        fps: frames a second that videos are brought to; None for frames as they are.
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
        **options: Any,
    ) -> None:
        counts = np.array([count(film, fps) for film in films], np.int64)
        super().__init__(counts, **options)
        self.folder, self.fps, self.films = folder, fps, Films.of(films)
        # One array instead of many strings, whose reference counts would make every worker process
        # copy their memory pages.
        self.names = np.array([os.fsencode(name) for name in names])

    def path(self, video: int) -> Path:
        """Return the path of a video."""
        return self.folder / os.fsdecode(self.names[video])

    def read(self, video: int, numbers: Sequence[int]) -> list[Image.Image]:
        film = self.films[video]
        at = np.array(numbers, np.int64)
        at = at if self.fps is None else film.at(self.fps)[at]
        return read_frames(self.path(video), film, at.tolist(), self.channels)

    def source(self) -> bytes:
        """Names, sizes and modification times, of folders their own; and frames a second."""
        found = [f"{self.fps}".encode()]
        for video, name in enumerate(self.names):
            status = os.stat(self.path(video))
            found.append(name + f" {self.counts[video]} {status.st_mtime_ns}".encode())
        return b"\n".join(found)


def count(film: Film, fps: float | None = None) -> int:
    """Number of frames of a video, brought to so many a second."""
    return len(film.times if fps is None else film.at(fps))
