"""Files that are whole or not there, on devices that are full and processes that fail."""

import errno
import os

import pytest
import torch
from safetensors import SafetensorError

from data.files.whole import StorageFull, write_whole


def full(path):
    """Half a file, then what the system says."""
    path.write_bytes(b"half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_and_its_folders_are_made(tmp_path):
    write_whole(tmp_path / "a" / "b.txt", lambda part: part.write_text("new"))
    assert (tmp_path / "a" / "b.txt").read_text() == "new"
    assert os.listdir(tmp_path / "a") == ["b.txt"]


def test_nobody_sees_half_a_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def write(part):
        part.write_text("ne")
        assert path.read_text() == "old"
        part.write_text("new")

    write_whole(path, write)
    assert path.read_text() == "new"


@pytest.mark.parametrize("old", ["old", None])
def test_on_a_full_device_the_older_file_is_intact(tmp_path, old):
    path = tmp_path / "file"
    if old is not None:
        path.write_text(old)
    with pytest.raises(StorageFull, match=r"no space left to save .*file") as caught:
        write_whole(path, full)
    assert ("the older file is intact" in str(caught.value)) == (old is not None)
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == ([] if old is None else ["file"])
    assert old is None or path.read_text() == old


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        SafetensorError("I/O error: No space left on device (os error 28)"),
        RuntimeError("basic_ios::clear: iostream error"),
    ],
)
def test_libraries_that_word_a_full_device_otherwise_are_understood(tmp_path, error):
    def write(part):
        raise error

    with pytest.raises(StorageFull):
        write_whole(tmp_path / "file", write)


def test_a_full_device_is_understood_through_other_errors(tmp_path):
    def write(part):
        try:
            full(part)
        except OSError as error:
            raise RuntimeError("cannot save") from error

    with pytest.raises(StorageFull):
        write_whole(tmp_path / "file", write)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_torch_on_a_device_that_is_really_full(tmp_path):
    def write(part):
        os.symlink("/dev/full", part)
        torch.save({"x": torch.zeros(1000)}, part)

    with pytest.raises(StorageFull):
        write_whole(tmp_path / "last.ckpt", write)
    assert os.listdir(tmp_path) == []


def test_other_errors_come_as_they_are_and_leave_nothing(tmp_path):
    def write(part):
        part.write_text("half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_whole(tmp_path / "file", write)
    assert os.listdir(tmp_path) == []
