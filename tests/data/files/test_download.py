"""Downloads over file:// addresses: whole, the right file, or not there."""

import errno
import hashlib
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from data import MNIST, DataError
from data.files.download import download
from data.files.full import StorageFull


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


def test_a_full_device_ends_a_download_whatever_mirrors_there_are(tmp_path, source, monkeypatch):
    def full(url, part, sha256):
        part.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("data.files.download._fetch", full)
    target = tmp_path / "target" / "file"
    with pytest.raises(StorageFull, match=r"no space left to save .*file"):
        download(target, sha256(source), source.as_uri(), source.as_uri())
    assert os.listdir(target.parent) == []


@pytest.fixture
def server():
    """`server(content, cuts)`: an address whose first answers end after so many bytes each."""
    running = []

    def start(content: bytes, cuts: list[int], ranges: bool = True):
        asked: list[str | None] = []

        class Cutting(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.headers.get("Range"))
                first = int(asked[-1].removeprefix("bytes=").rstrip("-")) if asked[-1] else 0
                rest = content[first:] if ranges else content
                self.send_response(206 if first and ranges else 200)
                self.send_header("Content-Length", str(len(rest)))
                self.end_headers()
                self.wfile.write(rest[: cuts.pop(0)] if cuts else rest)

            def log_message(self, *_):
                pass

        one = HTTPServer(("127.0.0.1", 0), Cutting)
        running.append(one)
        threading.Thread(target=one.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{one.server_port}/file", asked

    yield start
    for one in running:
        one.shutdown()
        one.server_close()


def test_a_download_that_breaks_off_goes_on_where_it_stopped(tmp_path, source, server):
    content = source.read_bytes()
    address, asked = server(content, [1000, 500])
    download(tmp_path / "file", sha256(source), address)
    assert (tmp_path / "file").read_bytes() == content
    assert asked == [None, "bytes=1000-", "bytes=1500-"]


def test_a_server_without_ranges_is_asked_for_all_again(tmp_path, source, server):
    address, asked = server(source.read_bytes(), [1000], ranges=False)
    download(tmp_path / "file", sha256(source), address)
    assert (tmp_path / "file").read_bytes() == source.read_bytes()
    assert asked == [None, "bytes=1000-"]


def test_a_download_that_breaks_off_always_is_given_up_and_leaves_nothing(tmp_path, source, server):
    address, asked = server(source.read_bytes(), [10] * 99)
    target = tmp_path / "target" / "file"
    with pytest.raises(DataError, match=r"could not download file .*SHA-256 .* of 50 bytes, exp"):
        download(target, sha256(source), address)
    assert len(asked) == 5
    assert os.listdir(target.parent) == []
