"""Clips as GIF and MP4."""

import av
import numpy as np
import pytest
import torch
from PIL import Image

from data.images.clips import write_gif, write_mp4
from data.images.grid import save_picture


def film(path):
    with av.open(str(path)) as file:
        (stream,) = file.streams.video
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(stream)]
        return np.stack(frames), stream.average_rate, stream.codec_context.pix_fmt


def gif(path):
    with Image.open(path) as picture:
        frames, times = [], []
        for number in range(picture.n_frames):
            picture.seek(number)
            frames.append(np.asarray(picture.convert("RGB")))
            times.append(picture.info["duration"])
        return np.stack(frames), times, picture.info["loop"]


@pytest.fixture
def frames():
    """Five frames, each a step brighter, with a red corner."""
    clip = torch.arange(5).mul(40).byte().view(5, 1, 1, 1).repeat(1, 3, 16, 12)
    clip[:, :, :4, :4] = torch.tensor([200, 0, 0]).byte().view(3, 1, 1)
    return clip


def test_a_clip_is_read_back_from_both_files(frames, tmp_path):
    paths = save_picture(tmp_path / "deep" / "clip.png", frames / 255)
    assert [path.name for path in paths] == ["clip.gif", "clip.mp4"]
    expected = frames.permute(0, 2, 3, 1).numpy().astype(float)
    shown, times, loop = gif(paths[0])
    assert (np.abs(shown - expected).max(), times, loop) == (0, [100] * 5, 0)
    played, rate, layout = film(paths[1])
    assert (rate, layout) == (10, "yuv420p")
    assert np.abs(played - expected).mean() < 3


@pytest.mark.parametrize("fps", [4, 23.976, 25])
def test_a_clip_is_played_at_its_own_rate(frames, tmp_path, fps):
    write_mp4(tmp_path / "clip.mp4", frames, fps)
    assert film(tmp_path / "clip.mp4")[1] == pytest.approx(fps)
    write_gif(tmp_path / "clip.gif", frames, fps)
    assert gif(tmp_path / "clip.gif")[1] == [10 * round(100 / fps)] * 5


def test_odd_sides_are_made_even_by_repeating_the_last_row_and_column(frames, tmp_path):
    write_mp4(tmp_path / "odd.mp4", frames[:, :, :15, :11])
    write_mp4(tmp_path / "even.mp4", frames)
    odd, even = film(tmp_path / "odd.mp4")[0], film(tmp_path / "even.mp4")[0]
    assert odd.shape == even.shape == (5, 16, 12, 3)
    assert np.abs(odd.astype(float) - even).mean() < 1


def test_a_clip_is_the_same_file_each_time(frames, tmp_path):
    for name in ("one.mp4", "other.mp4"):
        write_mp4(tmp_path / name, frames)
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "other.mp4").read_bytes()
