"""Facts about videos, and frames that are sought by them."""

import os
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from data import DataError
from data.videos.decoding import decoded, frame_names
from data.videos.film import film_of, read_frames

REAL = Path("../shared/data/videos")


def frames_of(path, numbers, **options):
    images = read_frames(path, film_of(path, 3), numbers, **options)
    return [round(np.asarray(image, float).mean() / 8) for image in images]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.avi"])
@pytest.mark.parametrize("between", [{}, {"bf": "2"}], ids=["in order", "B-frames"])
def test_each_frame_is_found_by_its_number_in_every_format(video, tmp_path, name, between):
    path = video(tmp_path / name, frames=14, **between)
    film = film_of(path, 3)
    assert len(film.times) == 14
    assert film.rate == pytest.approx(25, rel=0.01)
    assert film.steady
    for number in range(14):
        assert frames_of(path, [number]) == [number]
    assert frames_of(path, [3, 5, 5, 11]) == [3, 5, 5, 11]


def test_h264_in_avi_whose_times_are_guessed_is_read_by_counting(video, tmp_path):
    path = video(tmp_path / "a.avi", codec="libx264", frames=14)
    film = film_of(path, 3)
    assert (film.counted, len(film.times), film.rate) == (True, 14, 25)
    assert frames_of(path, [7, 8]) == [7, 8]


def test_only_frames_from_the_nearest_key_on_are_decoded(video, tmp_path, monkeypatch):
    path = video(tmp_path / "a.mp4", frames=30, gop=10, bf="0", sc_threshold="0")
    assert np.flatnonzero(film_of(path, 3).keys).tolist() == [0, 10, 20]
    assert len(list(decoded(path, int(film_of(path, 3).times[20])))) == 10
    read = []

    def watched(*arguments):
        for time, frame in decoded(*arguments):
            read.append(time)
            yield time, frame

    monkeypatch.setattr("data.videos.film.decoded", watched)
    assert frames_of(path, [25, 26]) == [25, 26]
    assert len(read) <= 7  # from 20 on, and fewer where frames depend on none between


def test_frames_on_which_no_wanted_one_depends_are_not_decoded(video, tmp_path):
    path = video(tmp_path / "a.mp4", frames=30, gop=30, bf="2", b_strategy="0", sc_threshold="0")
    times = film_of(path, 3).times
    assert len(list(decoded(path, None, {int(times[29])}))) <= 20
    for number in range(30):
        assert frames_of(path, [number]) == [number]


def test_frames_of_a_folder_are_in_natural_order(still, tmp_path):
    path = still(tmp_path / "a", frames=12, name="frame_{}.png")
    (path / ".hidden.png").write_text("no picture")
    (path / "notes.txt").write_text("no picture")
    assert frame_names(path)[8:] == [f"frame_{number}.png" for number in (8, 9, 10, 11)]
    assert frames_of(path, [9, 10]) == [9, 10]
    (path / "frame_3.png").unlink()
    film = film_of(path, 3)
    (path / "frame_4.png").unlink()
    with pytest.raises(DataError, match="had 11 frames before, and has 10"):
        read_frames(path, film, [0])


def test_grey_is_read_from_colour_and_refused_as_colour(video, tmp_path):
    path = video(tmp_path / "a.mp4")
    (image,) = read_frames(path, film_of(path, 1), [2], channels=1)
    assert image.mode == "L"
    grey = video(tmp_path / "grey.mkv", codec="ffv1", layout="gray")
    assert frames_of(path, [2]) == [2]
    with pytest.raises(DataError, match=r"grey\.mkv is grey, and colour is asked for: set chan"):
        film_of(grey, 3)
    (image,) = read_frames(grey, film_of(grey, 1), [2], channels=1)
    assert (image.mode, np.asarray(image).mean()) == ("L", 16)


def test_odd_sizes_are_kept(video, tmp_path):
    path = video(tmp_path / "a.mkv", size=(33, 27), codec="ffv1", layout="yuv444p")
    (image,) = read_frames(path, film_of(path, 3), [1])
    assert image.size == (33, 27)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.avi"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.8])
def test_a_truncated_video_is_named(video, tmp_path, name, kept):
    path = video(tmp_path / name, frames=40)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(DataError, match=rf"{name} is (truncated|not a sound video)"):
        film_of(path, 3)


def test_damage_inside_is_found_where_all_frames_are_decoded(video, tmp_path):
    path = video(tmp_path / "a.avi", frames=12, gop=12)
    content = bytearray(path.read_bytes())
    start = content.index(b"movi") + 400
    content[start : start + 300] = os.urandom(300)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.avi"):
        film_of(path, 3, decode=True)


@pytest.mark.parametrize("content", [b"", b"text", b"\0" * 5000])
def test_what_is_no_video_is_named(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.mp4 is not a sound video"):
        film_of(tmp_path / "a.mp4", 3)


def test_sound_alone_is_no_video(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.rate = 8000
        file.mux(stream.encode(frame))
    with pytest.raises(DataError, match=r"a\.mkv holds no video"):
        film_of(tmp_path / "a.mkv", 3)


def test_an_unknown_codec_is_named_with_what_to_do(video, tmp_path):
    path = video(tmp_path / "a.avi")
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"ZZZZ"))
    with pytest.raises(DataError, match=r"a\.avi is in a codec that cannot be read: convert it"):
        film_of(path, 3)


def test_a_variable_rate_is_seen_and_resampled(video, tmp_path):
    times = np.cumsum([0, *[1] * 5, *[3] * 6])  # fast, then slow
    path = video(tmp_path / "a.mp4", times=times)
    film = film_of(path, 3)
    assert not film.steady
    shown = [int(np.flatnonzero(times <= time)[-1]) for time in range(times[-1] + 1)]
    assert film.at(25).tolist() == shown
    assert film.at(12.5).tolist() == shown[::2]
    assert film_of(video(tmp_path / "b.mp4"), 3).at(25).tolist() == list(range(12))


@pytest.mark.skipif(not REAL.is_dir(), reason="no real videos")
@pytest.mark.parametrize(
    ("name", "frames", "rate"),
    [
        ("nasa_13013.mp4", 325, 25),
        ("flipping_a_pancake.mkv", 310, 30),
        ("testsrc2_vp9.webm", 30, 30),
    ],
)
def test_frames_of_real_videos_are_those_of_decoding_from_the_start(name, frames, rate):
    film = film_of(REAL / name, 3)
    assert len(film.times) == frames
    assert film.rate == pytest.approx(rate, rel=0.01)
    numbers = [frames * 3 // 4, frames * 3 // 4 + 1]
    whole = [frame for _, frame in decoded(REAL / name)]
    for number, image in zip(numbers, read_frames(REAL / name, film, numbers), strict=True):
        assert np.array_equal(image, whole[number].to_image())


@pytest.mark.skipif(not REAL.is_dir(), reason="no real videos")
def test_a_real_damaged_video_is_named(tmp_path):
    shutil.copy(REAL / "corrupted.mp4", tmp_path)
    with pytest.raises(DataError, match=r"corrupted\.mp4 is not a sound video"):
        film_of(tmp_path / "corrupted.mp4", 3, decode=True)
