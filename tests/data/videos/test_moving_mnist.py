"""The original file of Moving MNIST."""

import numpy as np
import pytest

from data import DataError, MovingMNIST


@pytest.fixture
def root(tmp_path):
    levels = 8 * np.arange(20, dtype=np.uint8)[:, None] + np.arange(5, dtype=np.uint8)
    whole = np.broadcast_to(levels[:, :, None, None], (20, 5, 64, 64))
    np.save(tmp_path / "mnist_test_seq.npy", whole)
    return tmp_path


def test_sequences_are_read_time_first_and_split(root):
    data = MovingMNIST(str(root), frames=4, test_clips=2)
    data.setup()
    assert (len(data.train_dataset), len(data.test_dataset)) == (3, 2)
    assert data.shape == (1, 4, 64, 64)
    x = data.test_dataset.__getitems__([0, 1])["x"]
    levels = (x[:, 0, :, 0, 0] + 1) * 127.5
    assert levels.round().int().tolist() == [[3, 11, 19, 27], [4, 12, 20, 28]]


def test_any_window_may_be_read(root):
    data = MovingMNIST(str(root / "mnist_test_seq.npy"), 16, clips="windows", test_clips=1)
    assert len(data.train_dataset) == 4 * 5
    x = data.train_dataset.__getitems__([7])["x"]
    assert ((x[0, 0, 0, 0, 0] + 1) * 127.5).round() == 2 * 8 + 1


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((5, 20, 64, 64), np.uint8), r"must hold bytes \(20, n, 64, 64\)"),
        (np.zeros((20, 5, 64, 64)), "must hold bytes"),
        (np.zeros((20, 1, 64, 64), np.uint8), "test_clips must be below the 1"),
    ],
)
def test_another_file_is_refused(root, array, message):
    np.save(root / "mnist_test_seq.npy", array)
    with pytest.raises(DataError, match=message):
        MovingMNIST(str(root), test_clips=1).setup()


def test_a_truncated_or_missing_file_is_named(root):
    path = root / "mnist_test_seq.npy"
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(DataError, match=r"mnist_test_seq\.npy is not a sound npy file"):
        MovingMNIST(str(root)).setup()
    path.unlink()
    with pytest.raises(DataError, match=r"fetch mnist_test_seq\.npy"):
        MovingMNIST(str(root)).setup()
    with pytest.raises(DataError, match="20 frames, got frames=21"):
        MovingMNIST(str(root), frames=21)
