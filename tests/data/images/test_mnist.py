"""Files in the official format: small ones written here, and the real ones."""

import gzip
import struct

import numpy as np
import pytest
import torch

from data import MNIST, DataError
from data.images.mnist import binarize, read_idx


def idx(array: np.ndarray) -> bytes:
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


@pytest.fixture
def small(tmp_path):
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for prefix, n in (("train", 20), ("t10k", 5)):
        images = rng.integers(0, 256, (n, 28, 28), np.uint8)
        (raw / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images), mtime=0))
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(np.arange(n) % 10))
    return tmp_path / "data"


def test_gzipped_and_plain_files_are_read(small):
    data = MNIST(root=str(small))
    data.setup()
    assert (len(data.train_dataset), len(data.test_dataset)) == (20, 5)
    assert data.train_dataset.labels.tolist() == [i % 10 for i in range(20)]


def test_the_root_may_come_from_the_environment(small, monkeypatch):
    monkeypatch.setenv("LDM_DATA", str(small))
    assert len(MNIST().test_dataset) == 5


def test_size_32_adds_a_black_border(small):
    x28 = MNIST(root=str(small)).test_dataset[3]["x"]
    x32 = MNIST(root=str(small), size=32).test_dataset[3]["x"]
    assert x32.shape == (1, 32, 32)
    assert torch.equal(x32[:, 2:-2, 2:-2], x28)
    assert (x32.sum() - x28.sum()).item() == pytest.approx(-(32**2 - 28**2), abs=1e-2)


def test_binarised_pixels_are_fixed_draws_for_each_split(small):
    grey, binary = MNIST(root=str(small)), MNIST(root=str(small), binarize=True)
    for split, n in (("train", 20), ("test", 5)):
        x = getattr(grey, f"{split}_dataset").images[:, 0].numpy()
        u = np.random.RandomState(0).uniform(size=(n, 28, 28))
        expected = np.where(u < x / 255, 255, 0)
        assert np.array_equal(getattr(binary, f"{split}_dataset").images[:, 0], expected)
    assert grey.fingerprint != binary.fingerprint


def test_binarisation_does_not_depend_on_chunks():
    x = np.random.default_rng(0).integers(0, 256, (2500, 2, 3), np.uint8)
    expected = np.where(np.random.RandomState(0).uniform(size=x.shape) < x / 255, 255, 0)
    binarize(x)
    assert np.array_equal(x, expected)


def test_the_real_files_have_the_known_mean_and_standard_deviation(shared_data):
    data = MNIST(root=str(shared_data))
    assert (len(data.train_dataset), len(data.test_dataset)) == (60_000, 10_000)
    # Mean and standard deviation commonly used to normalise MNIST.
    x = (data.train_dataset.images / 255).double()
    assert (x.mean().item(), x.std().item()) == pytest.approx((0.1307, 0.3081), abs=5e-5)
    assert data.test_dataset.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_the_error_for_missing_files_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte is at none of .*prepare_data"):
        MNIST(root=str(tmp_path)).setup()


def test_other_sizes_are_refused():
    with pytest.raises(DataError, match="28 and 32, got 64"):
        MNIST(size=64)


def test_images_of_another_shape_are_refused(small):
    raw = small / "MNIST" / "raw"
    (raw / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros((5, 20, 20)))))
    with pytest.raises(DataError, match=r"28x28 .* got images \(5, 20, 20\) and 5 labels"):
        MNIST(root=str(small)).setup()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cut.gz", gzip.compress(idx(np.ones((4, 4))), mtime=0)[:-12], "truncated or damaged"),
        ("cut", idx(np.ones((4, 4)))[:-3], r"should hold \[4, 4\] values, got 13"),
        ("page", b"<html>", "not an idx file of bytes: it begins with 3c68746d"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_idx(tmp_path / name)


def test_a_file_that_unpacks_to_more_than_any_of_mnists_is_refused(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(bytes(60_000_000))
    with pytest.raises(DataError, match=r"idx3-ubyte\.gz holds over 47040016 bytes"):
        read_idx(path)


@pytest.mark.parametrize("content", [b"", b"\0\0\x08", b"\0\0\x08\x03\0\0"])
def test_a_file_without_a_whole_header_is_refused(tmp_path, content):
    (tmp_path / "labels").write_bytes(content)
    with pytest.raises(DataError, match=r"labels is not an idx file of bytes: it begins with"):
        read_idx(tmp_path / "labels")
