"""npy files, whole and damaged."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from data import DataError
from data.files.arrays import read_array


@given(st.data())
def test_what_was_saved_is_read(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("arrays") / "x.npy"
    array = data.draw(arrays(np.float32, (2, 3), elements=st.floats(width=32)))
    np.save(path, array)
    assert np.array_equal(read_array(path, "write it again"), array, equal_nan=True)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_file_cut_short_is_refused_with_the_remedy(tmp_path, share):
    path = tmp_path / "x.npy"
    np.save(path, np.arange(100.0))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError, match=r"x\.npy is not a sound npy file \(.*\): write it again"):
        read_array(path, "write it again")


def test_pickles_and_archives_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(DataError, match="not a sound npy file"):
        read_array(tmp_path / "x.npy", "write it again")
    np.savez(tmp_path / "x.npz", x=np.zeros(3))
    with pytest.raises(DataError, match="several in one: write it again"):
        read_array(tmp_path / "x.npz", "write it again")


def test_a_header_that_asks_for_more_than_the_memory_is_refused(tmp_path):
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**15,)}
    with open(tmp_path / "x.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(DataError, match=r"x\.npy is not a sound npy file \(.*\): write it again"):
        read_array(tmp_path / "x.npy", "write it again")
