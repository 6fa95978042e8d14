"""Clips with their first frame given, to go on from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.batch import Batch
from data.files.errors import DataError
from data.module import DataModule
from data.order import Draw
from data.samples import Samples
from data.videos.base import Videos

__all__ = ["FirstFrame"]


class FirstFrame(Videos):
    """The clips of a dataset, whose batches also have `first_frame`, `(b, c, h, w)`.

    Generated samples go on from the first frames of the test clips in turn, and have their classes
    and captions, unless another class or caption is asked for.

    Args:
        source: the clips.
        seed: seed of the sample order.

    Raises:
        DataError: `source` holds no videos.
    """

    def __init__(self, source: DataModule, seed: int = 0) -> None:
        super().__init__(seed, source.workers)
        if not isinstance(source, Videos):
            raise DataError(
                f"first frames are of videos, and {source.name} holds others: choose "
                "data@data.source=moving_digits or another set of videos"
            )
        self.source = source
        self.channels, self.size, self.frames = source.channels, source.size, source.frames
        self.fps, self.flip, self.held = source.fps, source.flip, source.held
        # Clips that are drawn at random, and random colours, are never cached.
        self.sampling, self.jitter = source.sampling, source.jitter
        self.class_names, self.class_captions = source.class_names, source.class_captions

    @property
    def name(self) -> str:
        return f"{self.source.name}, first frame given"

    @property
    def text_width(self) -> int:
        return self.source.text_width

    def prepare_data(self) -> None:
        """Fetch the clips."""
        self.source.prepare_data()

    def load(self, split: str) -> "FirstFrameClips":
        return FirstFrameClips(self.source.dataset_of(split))

    def own_files(self, folder: Path) -> "FirstFrameClips":
        return FirstFrameClips(self.source.own_files(folder))

    def example(self, n: int) -> Batch:
        return with_first(self.source.example(n))

    def view(self, batch: Batch, name: str) -> Batch:
        return with_first(super().view(batch, name))

    def requests(self, indices: Sequence[int], seed: int, **asked: Any) -> Batch:
        clips = self.test_dataset
        found = clips.__getitems__([index % len(clips) for index in indices])
        told = ("label", "text", "fps", "first_frame")
        given = {key: found[key] for key in told if key in found}
        requested = super().requests(indices, seed, **asked)
        others = requested if asked else {"index": requested["index"]}
        return {**given, **others}


class FirstFrameClips:
    """The clips of one split.

    Args:
        clips: without their first frame given.
    """

    def __init__(self, clips: Samples) -> None:
        self.clips = clips

    def __len__(self) -> int:
        return len(self.clips)

    def __getitems__(self, items: Sequence[int | Draw]) -> Batch:
        return with_first(self.clips.__getitems__(items))

    def digest(self) -> str:
        return f"first frame of {self.clips.digest()}"


def with_first(batch: Batch) -> Batch:
    """The batch, and the first frame of each clip."""
    return {**batch, "first_frame": batch["x"][:, :, 0]}
