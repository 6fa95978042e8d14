"""Tiny videos in the formats of real ones."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

CODECS = {".mp4": "libx264", ".mkv": "libx264", ".webm": "libvpx-vp9", ".avi": "mpeg4"}


def levels(frames: int, first: int = 0) -> np.ndarray:
    """Grey level of each frame, by which it is known: eight apart."""
    return 8 * (np.arange(first, first + frames) % 32)


def write(
    path: Path,
    frames: int = 12,
    size: tuple[int, int] = (32, 24),
    first: int = 0,
    times: np.ndarray | None = None,
    gop: int = 4,
    codec: str | None = None,
    layout: str = "yuv420p",
    fps: int = 25,
    **options: str,
) -> Path:
    """Write a video whose frame k is grey of level `levels(frames)[k]`, with a key every `gop`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {"movflags": "faststart"} if path.suffix == ".mp4" else {}  # its index comes first
    if codec is None and path.suffix == ".avi":
        options = {"qmin": "1", "qmax": "2", **options}  # else levels are off by more than half
    with av.open(str(path), "w", options=whole) as file:
        stream = file.add_stream(codec or CODECS[path.suffix], rate=fps, options=options)
        stream.width, stream.height = size
        stream.pix_fmt, stream.gop_size = layout, gop
        stream.codec_context.time_base = Fraction(1, fps)
        for number, level in enumerate(levels(frames, first)):
            pixels = np.full((size[1], size[0], 3), level, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts = number if times is None else int(times[number])
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


@pytest.fixture
def video() -> Callable[..., Path]:
    """`video(path, frames, size, first, times, ...)`, see `write`."""
    return write


@pytest.fixture
def still() -> Callable[..., Path]:
    """`still(folder, frames, size, first, name)`: a folder of frames, of the same levels."""

    def make(
        folder: Path,
        frames: int = 12,
        size: tuple[int, int] = (32, 24),
        first: int = 0,
        name: str = "{}.png",
    ) -> Path:
        folder.mkdir(parents=True)
        for number, level in enumerate(levels(frames, first)):
            Image.new("RGB", size, (int(level),) * 3).save(folder / name.format(number))
        return folder

    return make


@pytest.fixture
def seen() -> Callable[..., list[int]]:
    """`seen(x)`: numbers of the frames of a clip `(c, t, h, w)`, by their grey levels."""
    return lambda x: np.rint((x.mean((0, 2, 3)).numpy() + 1) * 127.5 / 8).astype(int).tolist()
