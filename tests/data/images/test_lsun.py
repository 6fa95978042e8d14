"""Images of LSUN's databases: the same as in a folder, in the order of their keys."""

import hashlib
import io
import sys

import lmdb
import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from data import LSUN, DataError, ImageFolder


def encoded(n, seed=0):
    """Encoded images by their keys, hashes as LSUN's."""
    rng = np.random.default_rng(seed)
    found = {}
    for number in range(n):
        file = io.BytesIO()
        image = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))
        image.save(file, ("WEBP", "JPEG")[number % 2])
        found[hashlib.sha1(f"{seed} {number}".encode()).hexdigest()] = file.getvalue()
    return found


def write(folder, entries):
    """A database as published: a folder with data.mdb."""
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=1 << 24) as database, database.begin(write=True) as all_:
        for key, value in entries.items():
            all_.put(key.encode(), value)
    return folder / "data.mdb"


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "lsun"
    write(root / "bedroom_train_lmdb", encoded(12))
    write(root / "bedroom_val_lmdb", encoded(3, seed=1))
    write(root / "cat", encoded(10))
    return root


def bedrooms(root, **options):
    return LSUN(root=str(root), **{"size": 8, "flip": True, "workers": 0, **options})


def batches(data, start=0):
    return list(data.train_batches(start=start, stop=24, rank=0, world=1, batch_size=4))


@pytest.mark.parametrize("workers", [0, 1])
def test_databases_give_the_batches_of_a_folder_of_the_same_images_and_resume_exactly(
    root, tmp_path, workers
):
    for name, images in (("train", encoded(12)), ("test", encoded(3, seed=1))):
        (tmp_path / "folder" / name).mkdir(parents=True)
        for key, content in images.items():
            (tmp_path / "folder" / name / f"{key}.webp").write_bytes(content)
    given = {"size": 8, "flip": True, "crop": "random", "short_side": 9}
    folder = ImageFolder(str(tmp_path / "folder"), workers=0, **given)
    data = bedrooms(root, workers=workers, **given)
    data.setup()
    found = batches(data)
    for theirs, ours in zip(batches(folder), found, strict=True):
        assert_close(ours, theirs)
    for theirs, ours in zip(found[2:], batches(data, start=8), strict=True):
        assert_close(ours, theirs)
    test = [one.test_dataset.__getitems__([0, 1, 2])["x"] for one in (data, folder)]
    assert torch.equal(*test)
    assert (data.classes, data.text_width, data.name) == (0, 0, "LSUN bedroom")


def test_of_objects_which_have_one_database_some_are_held_out(root):
    data = bedrooms(root, category="cat", test_fraction=0.2)
    sizes = [len(data.dataset_of(split)) for split in ("train", "test")]
    assert sizes == [8, 2]
    assert data.fingerprint != bedrooms(root).fingerprint


def test_where_no_database_is_a_folder_is_read_whose_folders_are_no_classes(root, pictures):
    (root / "tower").symlink_to(pictures)
    data = bedrooms(root, category="tower")
    assert (data.classes, len(data.train_dataset)) == (0, 6)
    with pytest.raises(DataError, match="holds neither bridge_train_lmdb nor bridge: get its"):
        _ = bedrooms(root, category="bridge").train_dataset


def test_a_damaged_image_is_named_and_can_be_left_out(root):
    images = {**encoded(5), "c0ffee": b"no image"}
    write(root / "dog", images)
    given = {"category": "dog", "test_fraction": 0.2}
    with pytest.raises(DataError, match=r"1 of 6 .*dog/data\.mdb/c0ffee is not a sound image"):
        _ = bedrooms(root, verify=True, **given).train_dataset
    data = bedrooms(root, skip_corrupt=True, **given)
    assert (len(data.train_dataset), data.skipped) == (4, 1)


def test_damaged_databases_are_refused_before_training(root, tmp_path):
    whole = (root / "cat" / "data.mdb").read_bytes()
    page = len(whole) // 2 // 4096 * 4096
    cut, torn = root / "bird" / "data.mdb", root / "boat" / "data.mdb"
    bus, car = root / "bus" / "data.mdb", root / "car" / "data.mdb"
    for path, content in (
        (cut, whole[:page]),
        (torn, whole[:8192] + bytes(len(whole) - 8192)),
        (bus, b"no database"),
    ):
        path.parent.mkdir()
        path.write_bytes(content)
    write(car.parent, {"../key": b"1"})
    for path, message in (
        (cut, rf"bird/data\.mdb is cut short, {page} of {len(whole)} bytes"),
        (torn, r"boat/data\.mdb is damaged"),
        (bus, r"bus/data\.mdb is no database, or damaged"),
        (car, r"car/data\.mdb has the key b'\.\./key'"),
    ):
        with pytest.raises(DataError, match=message):
            _ = bedrooms(root, category=path.parent.name, verify=True).train_dataset


def test_pages_are_checked_where_that_is_asked_for(root):
    path = root / "bedroom_train_lmdb" / "data.mdb"
    content = bytearray(path.read_bytes())
    leaf = content.index(sorted(encoded(12))[0].encode())
    content[leaf : leaf + 1] = b"z"  # a key that is out of its order
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"train_lmdb/data\.mdb is damaged"):
        _ = bedrooms(root, verify=True).train_dataset


def test_without_the_package_the_message_says_what_to_do(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(DataError, match="the package lmdb, which is missing: pip install lmdb"):
        _ = bedrooms(root).train_dataset
