"""Images in tar shards: the same as in a folder, in the same order, and refused by name."""

import io
import tarfile

import pytest
import torch
from torch.testing import assert_close

from data import ImageFolder, ImageShards
from data.files.errors import DataError

NUMBERS = {"cat": 0, "dog": 1}


def write(path, samples):
    """A shard of (name, content) pairs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in samples:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return path


@pytest.fixture
def samples(pictures):
    """Members of the training pictures of the folder, in its order: image, class, caption."""
    found = []
    for path in sorted((pictures / "train").glob("*/*.png")):
        key = f"{path.parent.name}_{path.stem}"
        found.append((f"{key}.png", path.read_bytes()))
        found.append((f"{key}.cls", str(NUMBERS[path.parent.name]).encode()))
        found.append((f"{key}.txt", f"a {path.parent.name}\n".encode()))
    return found


@pytest.fixture
def shards(samples, pictures, tmp_path):
    root = tmp_path / "shards"
    write(root / "train-0.tar", samples[:12])
    write(root / "train-1.tar", samples[12:])
    test = [(f"t{k}.png", (pictures / f"test/{name}/0.png").read_bytes()) for name, k in
            NUMBERS.items()]  # fmt: skip
    test = [one for k, image in enumerate(test) for one in
            (image, (f"t{k}.cls", str(k).encode()), (f"t{k}.txt", b"one"))]  # fmt: skip
    write(root / "val-0.tar", test)
    return root


def batches(data, start=0):
    loader = data.train_batches(start=start, stop=24, rank=0, world=1, batch_size=4)
    return list(loader)


def test_shards_give_the_batches_of_a_folder_of_the_same_images_and_resume_exactly(
    shards, pictures
):
    given = {"size": 8, "crop": "random", "flip": True, "short_side": 9, "workers": 0}
    folder, own = ImageFolder(str(pictures), **given), ImageShards(str(shards), **given)
    assert own.class_names == ("0", "1")
    expected, found = batches(folder), batches(own)
    for theirs, ours in zip(expected, found, strict=True):
        assert_close({key: ours[key] for key in theirs}, theirs)
        assert bytes(ours["text"][0].byte().numpy()) in (b"a cat", b"a dog")
    for theirs, ours in zip(found[2:], batches(own, start=8), strict=True):
        assert_close(ours, theirs)
    assert_close(
        own.test_dataset.__getitems__([0, 1])["x"], folder.test_dataset.__getitems__([0, 1])["x"]
    )


def test_workers_read_the_same(shards):
    alone, two = (ImageShards(str(shards), size=8, flip=True, workers=n) for n in (0, 2))
    for one, other in zip(batches(alone), batches(two), strict=True):
        assert_close(one, other)


def test_without_shards_of_tests_a_fraction_is_held_out(shards):
    data = ImageShards(str(shards), test="test*", test_fraction=0.34, size=8)
    assert (len(data.train_dataset), len(data.test_dataset)) == (4, 2)
    both = [data.dataset_of(split) for split in ("train", "test")]
    assert len({one.path(k) for one in both for k in range(len(one))}) == 6
    assert both[1].__getitems__([0, 1])["label"].tolist() == [0, 1]


def test_a_shard_is_listed_once_and_again_when_it_changes(shards, samples, monkeypatch):
    first = ImageShards(str(shards), size=8).fingerprint
    monkeypatch.setattr("data.images.shard_index.members", None)  # nothing is listed anew
    assert ImageShards(str(shards), size=8).fingerprint == first
    monkeypatch.undo()
    write(shards / "train-1.tar", samples[12:15])
    data = ImageShards(str(shards), size=8)
    assert data.fingerprint != first
    assert len(data.train_dataset) == 5


def test_shards_without_labels_have_no_classes(shards, samples):
    for name, part in (("train-0.tar", samples[:12]), ("train-1.tar", samples[12:])):
        write(shards / name, [one for one in part if one[0].endswith(".png")])
    data = ImageShards(str(shards), test="none", size=8)
    assert data.classes == data.text_width == 0
    assert set(data.train_dataset.__getitems__([0])["label"].tolist()) == {-1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s[1:], r"train-1.tar: sample 'dog_1' should hold one image .* holds .cls .txt"),
        (
            lambda s: s[:1] + s[2:],
            r"train-1.tar: sample 'dog_1' has no .cls, and 5 of 6 samples have one",
        ),
        (lambda s: [*s, s[0]], r"train-1.tar holds the key 'dog_1' twice, with others between"),
        (lambda s: [s[0], *s], r"train-1.tar holds dog_1.png twice"),
        (
            lambda s: [(name.replace("dog_1", "cat_0"), content) for name, content in s],
            r"'cat_0' is in two shards of .*, train-0.tar and train-1.tar",
        ),
        (lambda s: [*s[:2], ("dog_1.txt", 5000 * b"x"), *s[3:]], r"text of 'dog_1' .* 4096 bytes"),
        (lambda s: [(s[0][0], s[0][1]), ("dog_1.cls", b"-1"), *s[2:]], r"label of 'dog_1'.*'-1'"),
        (lambda s: [*s[:2], ("dog_1.txt", b"\xff"), *s[3:]], r"dog_1.txt is no text in UTF-8"),
    ],
)
def test_faults_are_named_with_shard_and_key(shards, samples, change, message):
    write(shards / "train-1.tar", change(samples[12:]))
    with pytest.raises(DataError, match=message):
        _ = ImageShards(str(shards), size=8).train_dataset


@pytest.mark.parametrize("where", ["in a header", "in a file", "between files"])
def test_truncated_shards_are_refused_before_training(shards, where):
    path = shards / "train-1.tar"
    with tarfile.open(path) as tar:
        second = tar.getmembers()[1].offset
    kept = {"in a header": second + 100, "in a file": second - 600, "between files": second}[where]
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"train-1.tar is truncated, damaged or compressed"):
        _ = ImageShards(str(shards), size=8).train_dataset


def test_a_shard_that_shrinks_while_it_is_read_is_named(shards):
    data = ImageShards(str(shards), size=8).train_dataset
    (shards / "train-1.tar").write_bytes(b"")
    with pytest.raises(DataError, match=r"train-1.tar is shorter than it was"):
        data.__getitems__([5])


def test_links_and_wrong_patterns_and_labels_are_refused(shards, samples):
    with pytest.raises(DataError, match=r"matches train='x\*': it holds train-0.tar"):
        _ = ImageShards(str(shards), train="x*").train_dataset
    with pytest.raises(DataError, match=r"train-0.tar matches both train and test"):
        _ = ImageShards(str(shards), test="*").train_dataset
    with pytest.raises(DataError, match="holds the label 1, and there are 1 classes: set number=2"):
        _ = ImageShards(str(shards), number=1).train_dataset
    assert ImageShards(str(shards), number=5).classes == 5
    with tarfile.open(shards / "train-1.tar", "w") as tar:
        link = tarfile.TarInfo("dog_1.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(DataError, match=r"'dog_1.png', which is no plain file"):
        _ = ImageShards(str(shards)).train_dataset


def test_a_damaged_image_is_named_by_shard_and_member(shards, samples):
    write(shards / "train-1.tar", [(samples[12][0], b"no image"), *samples[13:]])
    sound = r"train-1.tar/dog_1.png is not a sound image"
    with pytest.raises(DataError, match=rf"1 of 6 images .* the first: .*{sound}"):
        _ = ImageShards(str(shards), size=8).train_dataset
    unverified = ImageShards(str(shards), size=8, verify=False).train_dataset
    with pytest.raises(DataError, match=sound):
        unverified.__getitems__(torch.arange(6).tolist())
    skipped = ImageShards(str(shards), size=8, skip_corrupt=True)
    assert (len(skipped.train_dataset), skipped.skipped) == (5, 1)
    assert skipped.train_dataset.__getitems__([4])["x"].shape == (1, 3, 8, 8)
