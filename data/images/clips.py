"""Clips as files that browsers and players show: GIF and MP4."""

from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["FPS", "write_gif", "write_mp4"]

FPS = 10
"""Frames a second of clips that say nothing else."""

QUALITY = "15"  # of H.264, its constant rate factor: differences are hardly visible below 18


def write_gif(path: Path, frames: UInt8[Tensor, "t 3 h w"], fps: float = FPS) -> None:
    """Write a clip that repeats for ever, in 256 colours a frame.

    Frames equal to the one before are not stored: that one is shown for longer.
    """
    first, *rest = map(Image.fromarray, _rows(frames))
    options = {"duration": round(1000 / fps), "loop": 0}
    first.save(path, "GIF", save_all=True, append_images=rest, **options)


def write_mp4(path: Path, frames: UInt8[Tensor, "t 3 h w"], fps: float = FPS) -> None:
    """Write a clip as H.264 with colours of half the resolution, which every player reads.

    Such colours need even sides: the last row or column of odd ones is repeated.
    """
    import av  # late: it takes long to import

    height, width = frames.shape[-2:]
    even = pad(frames.float(), (0, width % 2, 0, height % 2), mode="replicate").byte()
    with av.open(str(path), "w", format="mp4") as file:
        rate = Fraction(fps).limit_denominator(1000)
        stream = file.add_stream("libx264", rate=rate, options={"crf": QUALITY})
        stream.height, stream.width = even.shape[-2:]
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1  # so that a clip is the same file on any machine
        for row in _rows(even):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(row, "rgb24")))
        file.mux(stream.encode())


def _rows(frames: UInt8[Tensor, "t 3 h w"]) -> UInt8[np.ndarray, "t h w 3"]:
    return np.ascontiguousarray(frames.permute(0, 2, 3, 1).numpy())
