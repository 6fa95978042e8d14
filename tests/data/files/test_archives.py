"""Archives that are damaged, or want to write where they should not."""

import io
import os
import tarfile
import zipfile

import pytest

from data.files.archives import unpack, unpacked
from data.files.errors import DataError


def make(path, *names: str):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as file:
            for name in names:
                file.writestr(name, os.urandom(3000))
    else:
        with tarfile.open(path, "w:" + path.suffix[1:].replace("tar", "")) as tar:
            for name in names:
                info = tarfile.TarInfo(name)
                info.size = 3000
                tar.addfile(info, io.BytesIO(os.urandom(3000)))
    return path


KINDS = ["a.tar", "a.tar.gz", "a.tar.xz", "a.zip"]


@pytest.mark.parametrize("kind", KINDS)
def test_unpacked_once(tmp_path, kind):
    path = make(tmp_path / kind, "train/0.png", "train/1.png")
    folder = unpacked(path)
    assert sorted(file.name for file in (folder / "train").iterdir()) == ["0.png", "1.png"]
    (folder / "train" / "0.png").unlink()
    assert unpacked(path) == folder
    assert not (folder / "train" / "0.png").exists()  # it was not unpacked again


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keep", [0.3, 0.6, 0.85])
def test_a_truncated_archive_is_refused_and_nothing_stays(tmp_path, kind, keep, cache):
    path = make(tmp_path / kind, *(f"{i}.png" for i in range(20)))
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(DataError, match=rf"{kind} cannot be unpacked .* fetch it again"):
        unpacked(path)
    assert not list((cache / "unpacked").iterdir())


def test_a_tar_cut_between_two_members_is_refused(tmp_path):
    # `tarfile` itself reads it without complaint: one file of two.
    path = make(tmp_path / "a.tar", "0.png", "1.png")
    path.write_bytes(path.read_bytes()[: 512 + 3072])
    with pytest.raises(DataError, match="end-of-archive marker is missing"):
        unpacked(path)


@pytest.mark.parametrize("kind", KINDS)
def test_members_that_would_escape_are_refused(tmp_path, kind):
    path = make(tmp_path / kind, "../../evil.png")
    with pytest.raises(DataError, match="refused as unsafe"):
        unpack(path, tmp_path / "deep" / "down" / "out")
    assert not list(tmp_path.rglob("evil.png"))


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "a.tar.gz").write_text("<html>not found</html>")
    with pytest.raises(DataError, match=r"a\.tar\.gz cannot be unpacked"):
        unpacked(tmp_path / "a.tar.gz")
