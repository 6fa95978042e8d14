"""One process at a time writes to a folder, and a dead one gives it up."""

import errno
import multiprocessing
import os

import pytest

from data.files.errors import DataError
from data.files.full import StorageFull
from data.files.lock import locked, sole_use


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder until it is killed."""

    def hold(connection):
        with sole_use(tmp_path):
            connection.send("held"), connection.recv()

    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=hold, args=(there,))
    process.start(), here.recv()
    yield process
    process.kill(), process.join()


def test_a_second_process_is_refused_with_the_name_of_the_first(tmp_path, holder):
    message = rf"being written by process {holder.pid} on .*choose another folder with run="
    with pytest.raises(DataError, match=message), sole_use(tmp_path):
        pass


def test_a_killed_process_gives_its_folder_up(tmp_path, holder):
    holder.kill(), holder.join()
    with sole_use(tmp_path):
        assert (tmp_path / ".lock").read_text().startswith(f"process {os.getpid()} on ")


def test_children_do_not_keep_the_lock_of_a_parent(tmp_path):
    def grandchild(connection):
        connection.recv()

    def child(connection):
        with sole_use(tmp_path):
            context = multiprocessing.get_context("fork")
            context.Process(target=grandchild, args=(connection,)).start()
            connection.send("held")
            os._exit(0)  # the grandchild lives on

    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(there,))
    process.start(), here.recv(), process.join()
    with sole_use(tmp_path):
        here.send("end")


def test_a_lock_ends_with_its_block(tmp_path):
    with sole_use(tmp_path):
        pass

    def again():
        with sole_use(tmp_path), locked(tmp_path / "other") as file:
            assert file is not None

    process = multiprocessing.get_context("fork").Process(target=again)
    process.start(), process.join()
    assert process.exitcode == 0


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot write to .*file.* choose another folder"):
        sole_use(tmp_path / "file" / "run").__enter__()


def test_a_full_device_is_named_by_the_lock_that_there_is_no_space_for(tmp_path, monkeypatch):
    def full():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("socket.gethostname", full)
    message = rf"no space left to save {tmp_path}"
    with pytest.raises(StorageFull, match=message), sole_use(tmp_path):
        pass
