"""Clips with their first frame given."""

import pytest
import torch

import data


@pytest.fixture(scope="module")
def clips():
    source = data.MovingDigits(data.Digits(), digits=1, size=16, frames=3, clips=8, test_clips=4)
    return data.FirstFrame(source)


def test_batches_have_the_first_frame(clips):
    batch = clips.train_dataset.__getitems__([0, 5])
    assert torch.equal(batch["first_frame"], batch["x"][:, :, 0])
    assert clips.example(2)["first_frame"].shape == (2, 1, 16, 16)


def test_samples_go_on_from_test_clips_in_turn_with_their_classes(clips):
    requests = clips.requests([1, 6], seed=3)
    found = clips.source.test_dataset.__getitems__([1, 2])
    assert torch.equal(requests["first_frame"], found["x"][:, :, 0])
    assert torch.equal(requests["label"], found["label"])
    assert requests["index"].tolist() == [1, 6]


def test_another_class_can_be_asked_for(clips):
    requests = clips.requests([1, 6], seed=3, label=7)
    assert requests["label"].tolist() == [7, 7]
    assert requests["first_frame"].shape == (2, 1, 16, 16)


def test_the_hash_is_not_that_of_the_clips_alone(clips):
    assert clips.fingerprint != clips.source.fingerprint


def test_clips_that_are_drawn_at_random_are_not_listed_for_a_cache(tmp_path):
    for clips, listed in (("random", ()), ("first", ("plain",))):
        source = data.VideoHDF5(str(tmp_path / "clips.h5"), clips=clips, workers=0)
        assert data.FirstFrame(source).views == source.views == listed


def test_other_data_than_videos_are_refused():
    with pytest.raises(data.DataError, match="first frames are of videos, and digits holds others"):
        data.FirstFrame(data.Digits())
