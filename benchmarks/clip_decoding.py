"""Reading random clips of videos, compared with decoding each video up to the clip's end.

Eight H.264 files of 300 frames, 320x240, with a key frame every 60 (two seconds or so); clips of 16
consecutive frames, resized to 128. The baseline is a plain loop over PyAV's frames that
converts and resizes those of the clip alone, by `to_image`; ours seeks, and converts by arrays.
Both read the same clips in turn, on one thread each, as the workers of a loader do.

Run it with `python -m benchmarks.clip_decoding`.
"""

import statistics
import tempfile
import time
from pathlib import Path

import av
import numpy as np
from jaxtyping import Float32
from PIL import Image

from data import Draw, VideoFolder
from data.images.crop import Crop
from data.videos.files import VideoFiles

VIDEOS, FRAMES, KEYS, CLIP, SIZE, CLIPS, ROUNDS = 8, 300, 60, 16, 128, 24, 5
Row = tuple[str, float, float, str, str]


def write(path: Path, seed: int) -> None:
    """Write a coarse pattern that drifts over the picture."""
    coarse = np.random.default_rng(seed).integers(0, 256, (24, 64, 3), np.uint8)
    wide = np.asarray(Image.fromarray(coarse).resize((320 + FRAMES, 240), Image.Resampling.BICUBIC))
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=30, options={"sc_threshold": "0"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 320, 240, "yuv420p", KEYS
        for number in range(FRAMES):
            shown = np.ascontiguousarray(wide[:, number : number + 320])
            file.mux(stream.encode(av.VideoFrame.from_ndarray(shown, "rgb24")))
        file.mux(stream.encode())


def plain(path: Path, first: int, crop: Crop) -> Float32[np.ndarray, "t h w 3"]:
    """Decode all frames up to the clip's last, and keep the clip."""
    clip = []
    with av.open(str(path)) as file:
        file.streams.video[0].codec_context.thread_count = 1
        for number, frame in enumerate(file.decode(video=0)):
            if number >= first:
                clip.append(np.asarray(crop(frame.to_image()), np.float32) / 127.5 - 1)
            if len(clip) == CLIP:
                break
    return np.stack(clip)


def rows() -> list[Row]:
    """Measure; one row: name, our seconds, baseline seconds, baseline, target."""
    seconds: dict[str, list[float]] = {"ours": [], "plain": []}
    with tempfile.TemporaryDirectory() as place:
        for seed in range(VIDEOS):
            write(Path(place) / f"{seed}.mp4", seed)
        data = VideoFolder(place, SIZE, frames=CLIP, verify=False, workers=0)
        clips = data.train_dataset
        assert isinstance(clips, VideoFiles)
        for turn in range(ROUNDS + 1):
            draws = [Draw(k % len(clips), CLIPS * turn + k) for k in range(CLIPS)]
            start = time.perf_counter()
            ours = [clips.__getitems__([draw])["x"] for draw in draws]
            middle = time.perf_counter()
            places = [clips.numbers(draw) for draw in draws]
            other = [plain(clips.path(video), int(at[0]), data.crop) for video, at in places]
            seconds["ours"].append(middle - start)
            seconds["plain"].append(time.perf_counter() - middle)
            for one, its in zip(ours, other, strict=True):
                np.testing.assert_allclose(one[0].permute(1, 2, 3, 0), its, atol=1e-5)
    ours, other = (statistics.median(seconds[name][1:]) for name in ("ours", "plain"))
    what = f"{CLIPS} random clips of {CLIP} frames of {FRAMES}"
    return [(what, ours, other, "decoding from the first frame", "at least 1.5x faster")]


if __name__ == "__main__":
    for name, ours, baseline, against, target in rows():
        print(f"{name}: {ours:.2f} s, {baseline / ours:.1f}x faster than {against} ({target})")
