"""The classifier of motions names directions and speeds, and tells moving clips from still ones."""

import pytest
import torch

from data import Digits
from eval.extractors import MotionClassifier
from eval.extractors.trained import Settings
from eval.extractors.videos.motion_classifier import MOTIONS, moved
from eval.metrics import to_uint8
from eval.metrics.videos import shifts


@pytest.fixture(scope="module")
def pictures():
    """Zeros and ones at random places on a canvas, as clips of eight equal frames; their labels."""
    batch = Digits().train_dataset.__getitems__(range(1400))
    chosen = batch["label"] < 2
    x, generator = to_uint8(batch["x"][chosen]), torch.Generator().manual_seed(0)
    canvas = torch.zeros(len(x), 1, 16, 16, dtype=torch.uint8)
    canvas[:, :, 4:12, 4:12] = x
    offsets = torch.randint(-4, 5, (len(x), 2), generator=generator).tolist()
    canvas = torch.stack([x.roll(at, (1, 2)) for x, at in zip(canvas, offsets, strict=True)])
    return canvas[:, :, None].repeat(1, 1, 8, 1, 1), batch["label"][chosen]


@pytest.fixture(scope="module")
def network(pictures):
    clips, labels = pictures
    settings = Settings(feature_size=32, width=8, samples=2500)
    return MotionClassifier([1, 8, 16, 16], 2, settings).fit(clips[:200], labels[:200])


def test_pictures_are_moved_by_what_their_motion_says(pictures):
    clips, every = pictures[0][: len(MOTIONS)], torch.arange(len(MOTIONS))
    found = shifts(moved(clips, every))
    expected = torch.tensor(MOTIONS).double()[:, None].expand(-1, 7, -1)
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0)


def test_it_names_motions_and_classes_of_pictures_it_has_not_seen(network, pictures):
    clips, labels = pictures
    assert network.motion_accuracy(clips[200:]) > 0.5
    assert network.accuracy(clips[200:], labels[200:]) > 0.9


def test_features_of_moving_clips_lie_far_from_those_of_still_ones(network, pictures):
    still = network(pictures[0][200:]).pooled
    fastest = torch.full((len(still),), len(MOTIONS) - 1)
    fast = network(moved(pictures[0][200:], fastest)).pooled
    assert (still.mean(0) - fast.mean(0)).norm() > 2 * still.std(0).mean()


def test_without_classes_it_learns_motions_alone():
    network = MotionClassifier([3, 4, 10, 10], 0, Settings(width=2, samples=128))
    clips = torch.zeros(64, 3, 4, 10, 10, dtype=torch.uint8)
    network.fit(clips, torch.full((64,), -1))
    assert network(clips).logits is None
    assert not network.classifies


def test_large_and_long_clips_are_reduced_before_they_are_kept():
    network = MotionClassifier([1, 40, 64, 48], 0)
    clips = torch.arange(40, dtype=torch.uint8).view(1, 1, 40, 1, 1).expand(1, 1, -1, 64, 48)
    small = network._prepared(clips)
    assert small[0, 0, :, 5, 5].tolist() == list(range(0, 40, 5))
    assert small.shape == (1, 1, 8, 32, 32)
    assert torch.equal(network._prepared(small), small)
