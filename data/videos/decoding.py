"""Decoding of video files, and folders of frames: what FFmpeg says, in one message a fault."""

import os
import re
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from data.files.errors import DataError
from data.images.reading import EXTENSIONS as IMAGES
from data.images.reading import REMEDY, SKIP

if TYPE_CHECKING:
    import av

__all__ = ["EXTENSIONS", "decoded", "frame_names", "opened", "reformatter"]

EXTENSIONS = (".mp4", ".avi", ".webm", ".mkv", ".mov", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv")


@contextmanager
def opened(path: Path) -> Iterator[tuple["av.container.InputContainer", "av.VideoStream"]]:
    """Open a file and its first video, and turn what goes wrong inside into one message."""
    import av  # late: it takes long to import

    try:
        with av.open(str(path)) as file:
            if not file.streams.video:
                raise DataError(f"{path} holds no video: {REMEDY}")
            stream = file.streams.video[0]
            if stream.codec_context is None:
                raise _unreadable(path)
            stream.codec_context.thread_count = 1  # loaders' workers share the cores
            yield file, stream
    except av.DecoderNotFoundError as error:
        raise _unreadable(path) from error
    except (av.FFmpegError, OSError, ValueError, IndexError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is not a sound video ({error}): {REMEDY}") from error


def _unreadable(path: Path) -> DataError:
    return DataError(
        f"{path} is in a codec that cannot be read: convert it (ffmpeg -i {path.name} -c:v libx264 "
        f"out.mp4){SKIP}"
    )


def decoded(
    path: Path, start: int | None = None, wanted: Container[int] | None = None
) -> Iterator[tuple[int, "av.VideoFrame"]]:
    """Decode frames in the order in which they are shown.

    Args:
        path: of the file.
        start: time of the key frame to begin at, ticks; None for the first.
        wanted: times of the frames that are needed; others are decoded where these depend on them.
            None for all frames, by their numbers.

    Yields:
        Times, or numbers, and frames.

    Raises:
        DataError: the file is damaged.
    """
    with opened(path) as (file, stream):
        if start is not None:
            file.seek(start, stream=stream)
        number = 0
        for packet in file.demux(stream):
            spare = wanted is not None and packet.pts is not None and packet.pts not in wanted
            stream.codec_context.skip_frame = "NONREF" if spare else "DEFAULT"
            for frame in packet.decode():
                if frame.is_corrupt:
                    raise DataError(f"{path} is damaged at frame {number}: {REMEDY}")
                yield number if wanted is None else frame.pts, frame
                number += 1


def reformatter() -> Callable[..., "av.VideoFrame"]:
    """Build what converts frames to other formats of pixels, prepared once for frames alike."""
    from av.video.reformatter import VideoReformatter

    return VideoReformatter().reformat


def frame_names(folder: Path) -> list[str]:
    """Names of the images of a folder in natural order: frame 9 before frame 10."""
    names = [name for name in os.listdir(folder) if name.lower().endswith(IMAGES)]
    return sorted((name for name in names if name[0] != "."), key=_natural)


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]
