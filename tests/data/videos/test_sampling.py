"""Which frames clips have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import DataError
from data.videos.sampling import SPREAD, WINDOWS, Sampling

KEYS = range(300)


def numbers(sampling, count, start=0, key=0):
    return sampling.numbers(count, start, key).tolist()


@given(
    clips=st.sampled_from(WINDOWS + SPREAD),
    frames=st.integers(1, 9),
    stride=st.integers(1, 4),
    step=st.integers(1, 5),
    count=st.integers(1, 60),
    key=st.integers(0, 2**63 - 1),
)
def test_frames_are_in_order_and_in_the_video(clips, frames, stride, step, count, key):
    sampling = Sampling(frames, stride, clips, step, short="repeat")
    for _, start in sampling.places(np.array([count])).tolist():
        found = sampling.numbers(count, start, key)
        assert len(found) == frames
        assert (np.diff(found) >= 0).all()
        assert 0 <= found[0] <= found[-1] < count
        if clips in WINDOWS and count >= sampling.span:
            assert (np.diff(found) == stride).all()


def test_a_random_window_begins_anywhere_equally_often():
    sampling = Sampling(frames=3, stride=2)
    starts = [numbers(sampling, 8, key=key)[0] for key in KEYS]
    counts = np.bincount(starts)
    assert len(counts) == 4  # 0 to 3, whose windows end with the last frame
    assert counts.min() > 0.15 * len(starts)
    assert numbers(sampling, 5, key=9) == [0, 2, 4]


def test_windows_begin_a_step_apart_and_end_in_the_video():
    sampling = Sampling(frames=2, stride=3, clips="windows", step=2, short="drop")
    places = sampling.places(np.array([4, 9, 3]))
    assert places.tolist() == [[0, 0], [1, 0], [1, 2], [1, 4]]
    assert numbers(sampling, 9, start=4) == [4, 7]


def test_a_video_is_split_to_all_strided_clips_by_windows_of_every_frame():
    sampling = Sampling(frames=4, stride=4, clips="windows")
    found = [numbers(sampling, 16, start) for _, start in sampling.places(np.array([16])).tolist()]
    assert found == [[i, i + 4, i + 8, i + 12] for i in range(4)]  # DIGAN's parts of Taichi-HD


def test_uniform_frames_spread_over_the_whole_video():
    assert numbers(Sampling(5, clips="uniform"), 9) == [0, 2, 4, 6, 8]
    assert numbers(Sampling(4, clips="uniform"), 11) == np.rint(np.linspace(0, 10, 4)).tolist()
    assert numbers(Sampling(1, clips="uniform"), 9) == [0]


def test_jittered_frames_stay_within_half_a_step_of_uniform_ones():
    sampling = Sampling(5, clips="jittered")
    found = np.array([numbers(sampling, 41, key=key) for key in KEYS])
    away = found - np.arange(0, 41, 10)
    assert (away[:, 1:-1].min(), away[:, 1:-1].max()) == (-5, 5)
    assert (found[:, 0].min(), found[:, 0].max()) == (0, 5)
    assert (found[:, -1].min(), found[:, -1].max()) == (35, 40)


def test_sorted_frames_are_the_first_and_any_others():
    sampling = Sampling(4, clips="sorted")
    found = np.array([numbers(sampling, 10, key=key) for key in KEYS])
    assert (found[:, 0] == 0).all()
    assert set(found[:, 1:].ravel().tolist()) == set(range(10))
    assert (np.diff(found, axis=1) == 0).any()  # drawn with replacement


def test_a_part_is_of_any_length_and_begun_anywhere_and_its_frames_are_equally_far_apart():
    sampling = Sampling(4, clips="part")
    found = np.array([numbers(sampling, 12, key=key) for key in KEYS])
    assert set((found[:, -1] - found[:, 0]).tolist()) == set(range(3, 12))
    assert (found[:, 0].min(), found[:, -1].max()) == (0, 11)
    steps = np.diff(found, axis=1)
    assert (np.ptp(steps, axis=1) <= 1).all()
    assert set(found[:, 0][steps.max(1) == 1]) == set(range(9))  # the shortest, anywhere
    assert numbers(sampling, 4, key=9) == [0, 1, 2, 3]
    assert sampling.random


def test_short_videos_end_in_repetitions_of_their_last_frame_or_are_dropped():
    counts = np.array([3, 5])
    for clips in WINDOWS + SPREAD:
        repeating = Sampling(5, clips=clips, short="repeat")
        assert numbers(repeating, 3) == [0, 1, 2, 2, 2]
        assert repeating.places(counts)[:, 0].tolist() == [0, 1]
        assert Sampling(5, clips=clips, short="drop").places(counts)[:, 0].tolist() == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 0}, "frames must be a positive"),
        ({"stride": 0}, "stride must be a positive"),
        ({"clips": "all"}, "clips must be one of random, first, windows"),
        ({"short": "pad"}, "short must be one of refuse, drop, repeat"),
    ],
)
def test_useless_choices_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        Sampling(**{"frames": 4, **options})
