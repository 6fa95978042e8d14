"""Facts about single videos, found once, and the frames that are read by them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Bool, Int64
from PIL import Image

from data.files.errors import DataError
from data.images.reading import REMEDY, SKIP, convert, open_image
from data.videos.decoding import decoded, frame_names, opened, reformatter

if TYPE_CHECKING:
    import av

__all__ = ["Film", "film_of", "read_frames"]

TIMED = ("mov", "matroska")
"""Formats in which each frame is stored with its time, and can be sought by it."""


class Film(NamedTuple):
    """Facts about a video by which its frames are found.

    Attributes:
        times: when each frame is shown, in ticks of the file, ascending; of folders, and of files
            that do not say, the frames' numbers.
        keys: which frames can be decoded without those before them.
        ticks: in a second; 0 for folders, which have no times.
        counted: whether a frame is found by counting all before it, and not by its time.
    """

    times: Int64[np.ndarray, " t"]
    keys: Bool[np.ndarray, " t"]
    ticks: float
    counted: bool

    @property
    def steady(self) -> bool:
        """Whether frames follow each other at a constant rate, up to the rounding of ticks."""
        steps = np.diff(self.times)
        usual = np.median(steps) if len(steps) else 1
        return not len(steps) or bool(steps.min() > 0.5 * usual and steps.max() < 1.5 * usual)

    @property
    def rate(self) -> float:
        """Frames a second, on average; 0 for folders."""
        spent = (self.times[-1] - self.times[0]) / self.ticks if self.ticks else 0
        return (len(self.times) - 1) / spent if spent else 0.0

    def count(self, fps: float | None = None) -> int:
        """Number of frames, or of those that are shown at so many a second."""
        return len(self.times if fps is None else self.at(fps))

    def at(self, fps: float) -> Int64[np.ndarray, " numbers"]:
        """Numbers of the frames that are shown every `1 / fps` seconds, from the first on."""
        seconds = (self.times - self.times[0]) / self.ticks
        wanted = np.arange(int(seconds[-1] * fps + 1e-6) + 1) / fps
        return np.searchsorted(seconds, wanted + 1e-6, "right") - 1


def film_of(path: Path, channels: int, decode: bool = False) -> Film:
    """Find the frames of a video, without decoding them unless that is asked for.

    Args:
        path: of a file or of a folder of images.
        channels: 3 refuses a grey video.
        decode: decode all frames, which finds all damage.

    Raises:
        DataError: it is damaged, truncated, empty, grey where colour is asked for, or in a format
            or codec that cannot be read; the message names it.
    """
    if path.is_dir():
        names = frame_names(path)
        for name in names if decode else names[:1]:
            image = open_image(path / name)
            _check_colour(path, image.mode in ("L", "1", "F") or image.mode[0] == "I", channels)
            convert(image, str(path / name), channels)
        numbers = np.arange(len(names))
        return Film(numbers, np.ones(len(names), bool), 0.0, False)
    with opened(path) as (file, stream):
        packets = [packet for packet in file.demux(stream) if packet.size and not packet.is_discard]
        _check_whole(path, stream, packets)
        _check_colour(path, str(stream.pix_fmt).startswith(("gray", "mono")), channels)
        stated = [(packet.pts, packet.dts) for packet in packets]
        # AVI has no times of its own, and those that FFmpeg guesses are wrong where frames are not
        # stored in the order in which they are shown.
        timed = file.format.name.startswith(TIMED)
        in_order = file.format.name == "avi" and all(pts == dts for pts, dts in stated)
        counted = not (timed or in_order) or any(pts is None for pts, _ in stated)
        keys = np.array([packet.is_keyframe for packet in packets])
        rate = float(stream.average_rate or 0)
        ticks = float(1 / stream.time_base) if not counted else rate
    total = len(packets)
    if decode or counted:
        total = sum(1 for _ in decoded(path))
        if total < len(packets) and not counted:
            raise DataError(f"{path} has {len(packets)} frames and {total} are sound: {REMEDY}")
    if counted:
        return Film(np.arange(total), np.arange(total) == 0, ticks, True)
    times = np.array([pts for pts, _ in stated])
    order = np.argsort(times, kind="stable")
    return Film(times[order], keys[order], ticks, False)


def read_frames(
    path: Path, film: Film, numbers: Sequence[int], channels: int = 3
) -> list[Image.Image]:
    """Decode frames, from the nearest key frame before the first of them on.

    Args:
        path: of a file or of a folder of images.
        film: its facts.
        numbers: of the frames, ascending; a number may occur several times.
        channels: 1 for grey, 3 for colour.

    Raises:
        DataError: the video is damaged or has changed.
    """
    if path.is_dir():
        names = frame_names(path)
        if len(names) != len(film.times):
            raise DataError(f"{path} had {len(film.times)} frames before, and has {len(names)}")
        images = {n: convert(open_image(path / names[n]), names[n], channels) for n in set(numbers)}
        return [images[n] for n in numbers]
    wanted, found = dict.fromkeys(film.times[list(numbers)].tolist()), {}
    last = max(wanted)
    key = int(np.flatnonzero(film.keys[: numbers[0] + 1])[-1]) if film.keys[0] else 0
    start = int(film.times[key]) if key and not film.counted else None
    to_colour = reformatter()
    for time, frame in decoded(path, start, None if film.counted else wanted):
        if time in wanted:  # an array first: PyAV's own way to an image is seven times slower
            image = Image.fromarray(to_colour(frame, format="rgb24").to_ndarray())
            found[time] = image if channels == 3 else image.convert("L")
        if time >= last:
            break
    if len(found) < len(wanted):
        raise DataError(f"{path} is damaged near frame {numbers[0]}, or has changed: {REMEDY}")
    return [found[time] for time in film.times[list(numbers)].tolist()]


def _check_colour(path: Path, grey: bool, channels: int) -> None:
    if grey and channels == 3:
        raise DataError(
            f"{path} is grey, and colour is asked for: set channels=1 to read all videos as grey"
            f"{SKIP}"
        )


def _check_whole(path: Path, stream: "av.VideoStream", packets: Sequence["av.Packet"]) -> None:
    """Refuse a file that ends before its header says, or without a frame."""
    lasts = [packet.pts + (packet.duration or 0) for packet in packets if packet.pts is not None]
    end = float(max(lasts) * stream.time_base) if lasts else 0.0
    cut = any(packet.is_corrupt for packet in packets) or stream.frames > len(packets)
    frame = float(1 / stream.average_rate) if stream.average_rate else 0.1
    if not packets or cut or _seconds(stream.metadata.get("DURATION", "")) > end + frame / 2:
        raise DataError(f"{path} is truncated: it holds {len(packets)} whole frames; {REMEDY}")


def _seconds(text: str) -> float:
    """Seconds of a duration as Matroska writes it, "00:00:10.333000000"; 0 for others."""
    parts = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", text)
    if parts is None:
        return 0.0
    hours, minutes, seconds = map(float, parts.groups())
    return 3600 * hours + 60 * minutes + seconds
