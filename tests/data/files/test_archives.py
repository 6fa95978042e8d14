"""Archives that are damaged, or want to write where they should not."""

import gzip
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


def tar_with(path, *infos: tarfile.TarInfo):
    with tarfile.open(path, "w") as tar:
        for info in infos:
            tar.addfile(info, io.BytesIO(bytes(info.size)))
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_links_that_lead_out_by_an_overlong_path_are_refused(tmp_path):
    # CVE-2025-4517: the system's realpath gives up on paths beyond PATH_MAX, so that the links
    # pass for safe, and the file is written two folders above.
    long, path, infos = "d" * 247, "", []
    for step in "abcdefghijklmnop":
        infos += [entry(f"{path}{long}", tarfile.DIRTYPE)]
        infos += [entry(f"{path}{step}", tarfile.SYMTYPE, long)]
        path += f"{step}/"
    infos += [entry(f"{path}{'l' * 254}", tarfile.SYMTYPE, "../" * len(path))]
    infos += [entry("escape", tarfile.SYMTYPE, f"{path}{'l' * 254}/../..")]
    infos += [entry("escape/evil.png")]
    with pytest.raises(DataError, match=r"a\.tar is refused as unsafe: 'a' is a link"):
        unpack(tar_with(tmp_path / "a.tar", *infos), tmp_path / "deep" / "down" / "out")
    assert not list(tmp_path.rglob("evil.png"))


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE],
    ids=["link", "hard link", "pipe", "device"],
)
def test_links_and_special_files_are_refused(tmp_path, kind):
    path = tar_with(tmp_path / "a.tar", entry("0.png"), entry("1.png", kind, "0.png"))
    with pytest.raises(DataError, match=r"unsafe: '1\.png' is a link or a special file"):
        unpacked(path)


def test_a_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("0.png")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match=r"unsafe: '0\.png' is a link or a special file"):
        unpacked(tmp_path / "a.zip")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["n" * 256, "/".join(["folder"] * 200)])
def test_names_that_no_file_system_takes_are_refused(tmp_path, kind, name):
    with pytest.raises(DataError, match=r"unsafe: the name '.*'\.\.\. is too long"):
        unpacked(make(tmp_path / kind, name))


def test_a_zip_that_grows_to_over_a_gigabyte_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("data.files.archives.SMALL", 100_000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("0.png", bytes(1_000_000))
    with pytest.raises(DataError, match=r"unsafe: it unpacks to over .* GB, as zip bombs do"):
        unpacked(tmp_path / "a.zip")


@pytest.mark.parametrize("header", [tarfile.REGTYPE, tarfile.XHDTYPE], ids=["file", "header"])
def test_a_compressed_tar_that_grows_to_over_a_gigabyte_is_refused(tmp_path, monkeypatch, header):
    monkeypatch.setattr("data.files.archives.SMALL", 100_000)
    info = entry("0.png", header)
    info.size = 1_000_000
    with gzip.open(tar_with(tmp_path / "a.tar.gz", info).with_suffix(".tgz"), "wb") as file:
        file.write((tmp_path / "a.tar.gz").read_bytes())
    with pytest.raises(DataError, match=r"unsafe: it unpacks to over .* GB, as zip bombs do"):
        unpacked(tmp_path / "a.tar.tgz")


def test_an_encrypted_zip_is_refused(tmp_path):
    path = make(tmp_path / "a.zip", "0.png")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1  # the flag, in the table at the end
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip is encrypted: unpack it yourself"):
        unpacked(path)


def test_a_zip_of_an_unknown_compression_is_refused(tmp_path):
    path = make(tmp_path / "a.zip", "0.png")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 10] = 97
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip cannot be unpacked \(That compression method"):
        unpacked(path)


def test_the_mode_and_the_owner_of_a_member_are_not_taken_over(tmp_path):
    info = entry("0.png")
    info.mode, info.uid = 0o6777, 4242
    folder = unpacked(tar_with(tmp_path / "a.tar", info))
    status = (folder / "0.png").stat()
    assert status.st_mode & 0o6111 == 0
    assert status.st_uid == os.getuid()
