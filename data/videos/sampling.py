"""Sampling of clips: which frames of a video a clip has."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Int64

from data.files.errors import DataError
from data.order import mix
from data.values import check_positive

__all__ = ["Sampling"]

WINDOWS = ("random", "first", "windows")
SPREAD = ("uniform", "jittered", "sorted", "part")
SHORT = ("refuse", "drop", "repeat")


@dataclass(frozen=True)
class Sampling:
    """Chooses the frames of clips from the number of frames of a video and a random key.

    Args:
        frames: of a clip.
        stride: 1 for consecutive frames, n for every n-th.
        clips: "random" is one clip of each video, begun anywhere (PVDM, StyleGAN-V); "first" its
            beginning; "windows" all clips that begin at multiples of `step`. The others spread a
            clip over a whole video, as LFDM does, without regard to `stride`: "uniform" in equal
            steps; "jittered" each of those frames anywhere in the half steps about it (LFDM's
            random); "sorted" the first frame and any others, in order (LFDM's very_random).
            "part" spreads it in equal steps over a part of the video, of any length and begun
            anywhere, so that frame rates differ (MagicVideo's key frames).
        step: frames between the beginnings of windows.
        short: what is done with a video of fewer frames than a clip spans: "refuse" it before
            training, "drop" it, or "repeat" its last frame.

    Raises:
        DataError: a number is not positive, or there is no such choice.

    Example:
        >>> every_second = Sampling(frames=3, stride=2, clips="windows", step=2)
        >>> every_second.span, every_second.places(np.array([4, 7])).tolist()
        (5, [[1, 0], [1, 2]])
        >>> every_second.numbers(7, 2, 0).tolist()
        [2, 4, 6]
    """

    frames: int
    stride: int = 1
    clips: str = "random"
    step: int = 1
    short: str = "refuse"

    drawn: ClassVar[tuple[str, ...]] = ("random", "jittered", "sorted", "part")

    def __post_init__(self) -> None:
        check_positive(frames=self.frames, stride=self.stride, step=self.step)
        for name, value, known in (
            ("clips", self.clips, WINDOWS + SPREAD),
            ("short", self.short, SHORT),
        ):
            if value not in known:
                raise DataError(f"{name} must be one of {', '.join(known)}, got {value!r}")

    @property
    def random(self) -> bool:
        """Whether a clip depends on its key."""
        return self.clips in self.drawn

    @property
    def paced(self) -> bool:
        """Whether clips of one video differ in their frame rates, so that each has its own."""
        return self.clips == "part"

    @property
    def span(self) -> int:
        """Frames from the first of a clip to its last, both counted; fewest of a spread clip."""
        return self.frames if self.clips in SPREAD else (self.frames - 1) * self.stride + 1

    @property
    def one_each(self) -> "Sampling":
        """One clip of each video: its beginning, unless clips are spread over videos."""
        return replace(self, clips="first") if self.clips in WINDOWS else self

    def places(self, counts: Int64[np.ndarray, " videos"]) -> Int64[np.ndarray, "clips 2"]:
        """Videos of the clips, and frames at which they begin, before those that are drawn.

        Args:
            counts: frames of each video.
        """
        used = np.flatnonzero((counts >= self.span) | (self.short == "repeat"))
        if self.clips != "windows":
            return np.stack([used, np.zeros_like(used)], 1)
        windows = (counts[used] - self.span).clip(0) // self.step + 1
        first = np.repeat(windows.cumsum() - windows, windows)
        return np.stack([np.repeat(used, windows), (np.arange(len(first)) - first) * self.step], 1)

    def numbers(self, count: int, start: int, key: int) -> Int64[np.ndarray, " frames"]:
        """Numbers of a clip's frames, ascending.

        Args:
            count: frames of the video.
            start: from `places`.
            key: any 64 bits; other keys draw other clips.
        """
        last, order = count - 1, np.arange(self.frames)
        if self.clips in WINDOWS or count < self.frames:
            if self.clips == "random" and count > self.span:
                start = int(mix(key)[0] % np.uint64(count - self.span + 1))
            stride = self.stride if self.clips in WINDOWS else 1
            return (start + order * stride).clip(max=last)
        uniform = (mix(key, order) >> np.uint64(11)) / 2.0**53  # in [0, 1)
        if self.clips == "part":
            length, begun = (mix(key, np.arange(2)) >> np.uint64(11)) / 2.0**53
            length = self.frames + int(length * (count - self.frames + 1))
            start = int(begun * (count - length + 1))
            return np.rint(np.linspace(start, start + length - 1, self.frames)).astype(np.int64)
        even = last * order / max(self.frames - 1, 1)
        if self.clips == "uniform":
            return np.rint(even).astype(np.int64)
        if self.clips == "sorted":
            drawn = np.sort((uniform * count).astype(np.int64))
            drawn[0] = 0
            return drawn
        jittered = even + (uniform - 0.5) * last / max(self.frames - 1, 1)
        return np.rint(jittered).astype(np.int64).clip(0, last)
