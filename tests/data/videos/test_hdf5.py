"""Videos in an HDF5 file."""

import pickle

import h5py
import numpy as np
import pytest
import torch

from data import DataError, VideoHDF5


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "clips.h5")


def write(path, lengths=(6, 9, 5), end=False, **changes):
    """Videos whose frames have the levels 0, 8, 16, ... over all videos of a split."""
    with h5py.File(path, "w") as file:
        for split in ("train", "test"):
            levels = 8 * np.arange(sum(lengths), dtype=np.uint8)
            starts = np.cumsum([0, *lengths])[: None if end else -1]
            file[f"{split}_data"] = np.broadcast_to(
                levels[:, None, None, None], (len(levels), 8, 12, 3)
            )
            file[f"{split}_idx"] = starts
        for name, value in changes.items():
            del file[name]
            if value is not None:
                file[name] = value
    return path


def videos(path, **options):
    return VideoHDF5(str(path), **{"size": 8, "frames": 3, "workers": 0, **options})


@pytest.mark.parametrize("end", [False, True], ids=["starts", "starts and end"])
def test_videos_begin_where_the_index_says_and_end_before_the_next(path, seen, end):
    data = videos(write(path, end=end), clips="windows")
    data.setup()
    assert (data.name, data.shape) == ("clips", (3, 3, 8, 8))
    found = [seen(x) for x in data.train_dataset.__getitems__(range(4 + 7 + 3))["x"]]
    assert len(data.train_dataset) == 14
    starts = [*range(4), *range(6, 13), *range(15, 18)]
    assert found == [[k, k + 1, k + 2] for k in starts]


def test_frames_are_strided_and_short_videos_repeat_their_last(path, seen):
    data = videos(path, stride=3, clips="first", short="repeat")
    found = [seen(x) for x in data.test_dataset.__getitems__([0, 1, 2])["x"]]
    assert found == [[0, 3, 5], [6, 9, 12], [15, 18, 19]]


def test_each_process_opens_the_file_for_itself(path):
    dataset = videos(path).train_dataset
    x = dataset.__getitems__([2])["x"]
    assert torch.equal(pickle.loads(pickle.dumps(dataset)).__getitems__([2])["x"], x)


def test_grey_and_fingerprint(path, seen):
    data = videos(path, channels=1, clips="first")
    assert data.shape == (1, 3, 8, 8)
    assert seen(data.train_dataset.__getitems__([1])["x"][0]) == [6, 7, 8]
    assert data.fingerprint != videos(path, clips="first").fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_data": None}, r"clips\.h5 is no HDF5 file with test_data and test_idx"),
        ({"train_data": np.zeros((20, 8, 12, 3), np.float32)}, "must be bytes"),
        ({"train_idx": np.array([0, 9, 4])}, "train_idx must ascend from 0 to the 20 frames"),
        ({"train_idx": np.array([0, 40])}, "train_idx must ascend"),
        ({"train_idx": np.array([0, 18])}, r"1 videos of fewer than the 3 .* number 1 of train"),
    ],
)
def test_another_layout_is_refused(path, changes, message):
    with pytest.raises(DataError, match=message):
        videos(write(path, **changes)).setup()


def test_a_damaged_or_missing_file_is_named(path, tmp_path):
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"clips\.h5 is no HDF5 file"):
        videos(path).setup()
    with pytest.raises(DataError, match=r"none\.h5 is not there"):
        videos(tmp_path / "none.h5").setup()


@pytest.mark.parametrize("index", [[0, 6.5, 15], [[0], [6], [15]], [b"0", b"6", b"15"]])
def test_an_index_of_other_than_whole_numbers_is_refused(tmp_path, index):
    path = write(tmp_path / "clips.h5", train_idx=np.array(index))
    with pytest.raises(DataError, match=r"train_idx must be whole numbers \(videos,\), got"):
        videos(path).train_dataset  # noqa: B018


def test_a_rate_at_which_no_sample_could_be_written_is_refused_before_training(path):
    with pytest.raises(DataError, match="fps must be a positive number, got 0"):
        videos(path, fps=0)
