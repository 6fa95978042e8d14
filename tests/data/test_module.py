"""Loaders of a small set: the same batches however they are loaded, cut, or shared out."""

import os

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data import DataError, Digits, ImageFolder
from data.loading import cores


def batches(module, start=0, stop=600, rank=0, world=1):
    return list(module.train_batches(start, stop, rank, world, batch_size=60))


def assert_same(first, second):
    torch.testing.assert_close(first, second, rtol=0, atol=0)


@pytest.fixture(scope="module")
def digits() -> Digits:
    return Digits(seed=3, flip=True)


def test_there_are_no_more_workers_than_cores(monkeypatch):
    monkeypatch.setattr("data.module.cores", lambda: 2)
    assert [Digits(workers=n).workers for n in (0, 2, 9)] == [0, 2, 2]
    assert 1 <= cores() <= os.cpu_count()


def test_workers_change_nothing(digits):
    assert_same(batches(Digits(seed=3, flip=True, workers=2)), batches(digits))


def test_workers_change_nothing_where_files_are_cropped_at_random(pictures):
    def seen(workers):
        options = {"size": 6, "short_side": 8, "crop": "random", "flip": True}
        module = ImageFolder(str(pictures), **options, workers=workers)
        return list(module.train_batches(0, 24, 0, 1, batch_size=6))

    one = seen(0)
    assert_same(seen(2), one)
    by_index = [dict(zip(b["index"].tolist(), b["x"], strict=True)) for b in one]
    assert not torch.equal(by_index[0][0], by_index[1][0])  # another draw is another crop


def test_a_resumed_run_sees_the_rest(digits):
    assert_same(batches(digits, start=240), batches(digits)[4:])


def test_ranks_share_what_one_process_sees(digits):
    parts = [batches(digits, rank=rank, world=2) for rank in range(2)]
    joined = [{key: torch.cat([a[key], b[key]]) for key in a} for a, b in zip(*parts, strict=True)]
    assert_same(joined, batches(digits))


def test_loading_leaves_the_global_generator_alone(digits):
    torch.manual_seed(0)
    batches(digits)
    after = torch.rand(3)
    torch.manual_seed(0)
    assert_same(after, torch.rand(3))


@pytest.mark.parametrize("world", [1, 3, 7])
def test_ordered_batches_hold_each_sample_once(digits, world):
    shards = [
        torch.cat([b["index"] for b in digits.ordered_batches("test", 42, rank, world)])
        for rank in range(world)
    ]
    for rank, shard in enumerate(shards):
        assert shard.tolist() == list(range(rank, 360, world))


def test_ordered_batches_keep_the_last_and_are_not_augmented(digits):
    parts = list(digits.ordered_batches("train", 1000))
    assert [len(part["x"]) for part in parts] == [1000, 437]
    images = digits.train_dataset.images
    assert_same(torch.cat([part["x"] for part in parts]), images.float() / 8 - 1)


def test_the_mirrored_view_is_the_mirror_image(digits):
    plain = next(iter(digits.ordered_batches("test", 50)))
    mirrored = digits.view(plain, "mirrored")
    assert_same(mirrored["x"], plain["x"].flip(-1))
    assert_same(mirrored["label"], plain["label"])


def test_the_fingerprint_tells_sets_and_augmentation_apart():
    prints = [Digits(seed=1).fingerprint, Digits(seed=2).fingerprint, Digits(flip=True).fingerprint]
    assert prints[0] == prints[1] != prints[2]
    assert len(prints[0]) == 16


def test_setup_refuses_samples_of_another_shape():
    module = Digits()
    module.size = 9
    with pytest.raises(DataError, match=r"shape \(1, 9, 9\), got \(1, 8, 8\)"):
        module.setup()


def test_an_unknown_split_is_refused(digits):
    with pytest.raises(DataError, match="'train', 'val' or 'test', got 'valid'"):
        digits.ordered_batches("valid", 10)


def test_a_set_without_a_val_split_says_so(digits):
    with pytest.raises(DataError, match="digits has no val split, only train and test"):
        digits.ordered_batches("val", 10)


@given(st.lists(st.integers(0, 255), min_size=1))
def test_bytes_survive_being_pixels(levels):
    x = torch.tensor(levels, dtype=torch.uint8).view(-1, 1, 1, 1)
    assert torch.equal(Digits().compact({"x": x / 127.5 - 1})["x"], x)
    assert torch.equal(Digits().compact({"x": x})["x"], x)
