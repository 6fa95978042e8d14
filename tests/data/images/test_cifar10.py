"""A small archive of JPEG files, and refused files."""

import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from data import CIFAR10, DataError


def jpeg(size: int = 32, seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg")
    return file.getvalue()


@pytest.fixture
def archive(tmp_path):
    """Write an archive with these members and return its root folder."""

    def write(members: dict[str, bytes]):
        path = tmp_path / "data" / "cifar10_jpeg" / "cifar10_jpeg.tar.xz"
        path.parent.mkdir(parents=True)
        with tarfile.open(path, "w:xz") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return tmp_path / "data"

    return write


def members(names=CIFAR10.class_names) -> dict[str, bytes]:
    return {
        f"{split}/{name}/{number:04d}.jpg": jpeg(seed=len(name) + number)
        for split, count in (("train", 3), ("test", 1))
        for name in names
        for number in range(count)
    }


def test_images_agree_with_pillow(archive):
    data = CIFAR10(root=str(archive(members())))
    data.setup()
    assert data.name == "CIFAR-10 (JPEG)"
    assert (data.shape, len(data.train_dataset), len(data.test_dataset)) == ((3, 32, 32), 30, 10)
    assert data.train_dataset.labels.tolist() == [i // 3 for i in range(30)]
    with Image.open(io.BytesIO(members()["train/deer/0002.jpg"])) as image:
        expected = torch.from_numpy(np.asarray(image) / np.float32(127.5) - 1).permute(2, 0, 1)
    torch.testing.assert_close(data.train_dataset[14]["x"], expected)


def test_the_archive_is_decoded_once_to_the_cache(archive, cache):
    root = archive(members(["cat", "dog"]))
    before = CIFAR10(root=str(root)).fingerprint
    made = next((cache / "decoded").iterdir())
    time = made.stat().st_mtime_ns
    assert CIFAR10(root=str(root)).fingerprint == before
    assert made.stat().st_mtime_ns == time
    assert [path.name for path in root.rglob("*") if path.is_file()] == ["cifar10_jpeg.tar.xz"]


def test_the_archive_of_real_data_is_found(shared_data):
    assert CIFAR10(root=str(shared_data)).name == "CIFAR-10 (JPEG)"


def test_a_truncated_archive_is_refused(archive, cache):
    root = archive(members(["cat"]))
    path = root / "cifar10_jpeg" / "cifar10_jpeg.tar.xz"
    path.write_bytes(path.read_bytes()[:-600])
    with pytest.raises(DataError, match=r"cifar10_jpeg\.tar\.xz cannot be unpacked"):
        CIFAR10(root=str(root)).setup()
    assert not list((cache / "decoded").iterdir())


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (
            {"test/cat/0009.jpg": jpeg(48)},
            r"test/cat/0009\.jpg .* in colour, got \(48, 48, 3\)",
        ),
        ({"test/cat/0009.jpg": jpeg()[:200]}, r"test/cat/0009\.jpg .* not a sound image"),
        ({"test/lynx/0009.jpg": jpeg()}, "ten classes, got test/lynx/0009.jpg"),
    ],
)
def test_unexpected_members_are_refused(archive, member, message):
    with pytest.raises(DataError, match=message):
        CIFAR10(root=str(archive(members(["cat"]) | member))).setup()


def test_the_error_for_missing_files_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match=r"cifar-10-batches-py, .*LDM_DATA.*prepare_data\(\)"):
        CIFAR10(root=str(tmp_path)).setup()


def test_official_files_with_wrong_checksums_are_refused(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(DataError, match="cifar-10-batches-py is incomplete or damaged"):
        CIFAR10(root=str(tmp_path)).setup()
