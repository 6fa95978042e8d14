"""Files and folders that are whole or not there, on full devices and in failing processes."""

import errno
import multiprocessing
import os
import signal

import pytest
import torch
from safetensors import SafetensorError

from data.files.errors import DataError
from data.files.full import StorageFull
from data.files.whole import check_writable, staging, write_whole


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
        OSError("45984 requested and 496 written"),
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


def test_a_folder_is_written_whole_too(tmp_path):
    target = tmp_path / "new" / "folder"
    with staging(target) as part:
        part.mkdir()
        (part / "a").touch()
        assert not target.exists()
    assert os.listdir(target) == ["a"]
    assert os.listdir(target.parent) == ["folder"]


def test_of_two_processes_that_make_a_folder_the_second_keeps_the_firsts(tmp_path):
    target = tmp_path / "folder"
    with staging(target) as part:
        part.mkdir()
        (part / "mine").touch()
        target.mkdir()
        (target / "theirs").touch()
    assert os.listdir(target) == ["theirs"]
    assert os.listdir(tmp_path) == ["folder"]


def test_of_two_processes_that_write_a_file_each_has_its_own_temporary_one(tmp_path):
    with staging(tmp_path / "file") as first, staging(tmp_path / "file") as second:
        assert first != second
        assert first.name == second.name == "file"
        first.write_text("first"), second.write_text("second")
    assert (tmp_path / "file").read_text() == "first"  # the outer one ends last


def test_a_folder_that_cannot_be_written_to_is_named_with_what_to_do(tmp_path):
    (tmp_path / "file").touch()  # no folder can be made below a file, not even by root
    with pytest.raises(DataError, match=r"cannot write to .*file .*LDM_CACHE"):
        write_whole(tmp_path / "file" / "target", lambda part: part.touch())


def test_a_device_too_full_for_a_temporary_folder_is_full_not_unwritable(tmp_path, monkeypatch):
    def no_space(**_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.TemporaryDirectory", no_space)
    with pytest.raises(StorageFull):
        write_whole(tmp_path / "file", lambda part: part.touch())


def test_a_file_reaches_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append((tmp_path / "file").exists()))
    write_whole(tmp_path / "file", lambda part: part.write_text("new"))
    assert seen == [False]


def test_a_file_that_cannot_be_moved_into_place_is_an_error(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError("read-only")

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    (tmp_path / "file").write_text("old")
    with pytest.raises(PermissionError):
        write_whole(tmp_path / "file", lambda part: part.write_text("new"))
    assert (tmp_path / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_file_has_the_permissions_of_any_new_one_whatever_its_writer_sets(tmp_path, umask):
    def write(part):
        part.write_text("new")
        part.chmod(0o600)

    before = os.umask(umask)
    try:
        write_whole(tmp_path / "file", write)
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~umask


def test_what_a_killed_process_leaves_is_removed_when_the_file_is_next_written(tmp_path):
    def killed():
        with staging(tmp_path / "file") as part:
            part.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=killed)
    process.start(), process.join()
    assert len(os.listdir(tmp_path)) == 1  # the half
    write_whole(tmp_path / "file", lambda part: part.write_text("whole"))
    assert os.listdir(tmp_path) == ["file"]


def test_what_another_process_is_writing_stays(tmp_path):
    def other(connection):
        with staging(tmp_path / "file") as part:
            connection.send("begun"), connection.recv()
            part.write_text("theirs")

    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=other, args=(there,))
    process.start(), here.recv()
    write_whole(tmp_path / "file", lambda part: part.write_text("mine"))
    here.send("go on"), process.join()
    assert process.exitcode == 0
    assert (tmp_path / "file").read_text() == "theirs"
    assert os.listdir(tmp_path) == ["file"]


class TestPathThatIsToBeWritten:
    def test_it_passes_and_nothing_is_left(self, tmp_path):
        check_writable(tmp_path / "a" / "b" / "file")
        assert os.listdir(tmp_path) == []

    def test_a_file_in_place_of_its_folder_is_refused(self, tmp_path):
        (tmp_path / "file").write_text("kept")
        with pytest.raises(DataError, match=r"cannot write to .*file/a \(Not a directory\)"):
            check_writable(tmp_path / "file" / "a" / "b")

    def test_a_name_that_the_system_cannot_hold_is_refused(self, tmp_path):
        for path in (tmp_path / ("a" * 300), tmp_path / ("a" * 300) / "b"):
            with pytest.raises(DataError, match="File name too long"):
                check_writable(path)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_read_only_folder_is_refused(self, tmp_path):
        tmp_path.chmod(0o500)
        with pytest.raises(DataError, match="Permission denied"):
            check_writable(tmp_path / "a")
