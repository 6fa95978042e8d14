"""Downloads over file:// addresses, and files that appear when they are whole."""

import hashlib
import os

import pytest

from data import MNIST, DataError
from data.files.download import download
from data.files.roots import staging


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").write_bytes(b"pixels" * 1000)
    return tmp_path / "source"


def sha256(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_next_mirror_is_tried(tmp_path, source):
    target = tmp_path / "new" / "folder" / "file"
    download(target, sha256(source), (tmp_path / "none").as_uri(), source.as_uri())
    assert target.read_bytes() == source.read_bytes()
    assert os.listdir(target.parent) == ["file"]


def test_another_file_than_expected_is_refused_and_does_not_stay(tmp_path, source):
    target = tmp_path / "target" / "file"
    with pytest.raises(DataError, match=r"could not download file .*SHA-256 .*, expected 00"):
        download(target, "00", source.as_uri())
    assert os.listdir(target.parent) == []


def test_a_set_downloads_what_is_missing_below_its_root(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("data.images.mnist.download", lambda path, *_: asked.append(path))
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "t10k-labels-idx1-ubyte").touch()
    MNIST(root=str(tmp_path)).prepare_data()
    assert [path.name for path in asked] == [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
    ]
    assert all(path.is_relative_to(tmp_path) for path in asked)


def test_nothing_is_downloaded_into_the_shared_folder(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("data.images.mnist.download", lambda path, *_: asked.append(path))
    monkeypatch.setenv("LDM_DATA", str(tmp_path))
    MNIST().prepare_data()
    assert len(asked) == 4
    assert not any(path.is_relative_to(tmp_path) for path in asked)


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, source):
    (tmp_path / "file").touch()  # no folder can be made below a file, not even by root
    with pytest.raises(DataError, match=r"cannot write to .*LDM_CACHE"):
        download(tmp_path / "file" / "target", sha256(source), source.as_uri())


def test_what_fails_half_way_leaves_nothing(tmp_path):
    def write():
        with staging(tmp_path / "out" / "file") as part:
            part.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        write()
    assert os.listdir(tmp_path / "out") == []


def test_the_first_of_two_folders_stays(tmp_path):
    target = tmp_path / "folder"
    with staging(target) as part:
        part.mkdir()
        (part / "mine").touch()
        target.mkdir()
        (target / "theirs").touch()
    assert os.listdir(target) == ["theirs"]
