"""Moving digits: the rule of their paths, and clips as functions of their index."""

import numpy as np
import pytest
import torch

from data import DataError, Digits, MovingDigits
from data.videos.moving_digits import paths

KEYS = np.arange(400, dtype=np.uint64)


def clips(**options):
    return MovingDigits(Digits(), **{"size": 16, "frames": 9, "clips": 30, **options})


def reflected(start, pace, frames, room):
    """A path by the words of the rule, one digit and one frame after the other."""
    (sy, sx), (dy, dx), found = start, pace, []
    for _ in range(frames):
        if sy < 0:
            sy, dy = 0, -dy
        elif sy >= room:
            sy, dy = room - 1, -dy
        if sx < 0:
            sx, dx = 0, -dx
        elif sx >= room:
            sx, dx = room - 1, -dx
        found.append((sy, sx))
        sy, sx = sy + dy, sx + dx
    return found


def test_walls_reflect():
    found = paths(KEYS, frames=40, room=32, speed=4)
    free = paths(KEYS, frames=2, room=10**6, speed=4)  # far from walls: the same speeds
    for path, (first, second) in zip(found.tolist(), free.tolist(), strict=True):
        pace = (second[0] - first[0], second[1] - first[1])
        assert [tuple(at) for at in path] == reflected(path[0], pace, 40, 32)


@pytest.mark.parametrize("stochastic", [False, True])
def test_starts_speeds_and_places_are_those_of_the_rule(stochastic):
    found = paths(KEYS, 60, 32, 4, stochastic)
    assert (found.min(), found.max()) == (0, 31)
    assert set(found[:, 0].ravel().tolist()) == set(range(32))
    steps = np.diff(found, axis=1)
    assert set(steps.ravel().tolist()) == set(range(-4, 5))
    at_wall = (found == 0) | (found == 31)
    changed = np.diff(np.abs(steps), axis=1) != 0
    there = at_wall[:, :-2] | at_wall[:, 1:-1] | at_wall[:, 2:]
    there = there.any(-1, keepdims=True) if stochastic else there  # a new speed in both directions
    assert not (changed & ~there).any()


def test_a_stochastic_wall_is_left_at_once_at_any_speed():
    found = paths(KEYS, 200, 32, 4, stochastic=True)
    before, at, after = found[:, :-2, 0], found[:, 1:-1, 0], found[:, 2:, 0]
    hit = (at == 0) & (before > 0) & (before < 4)
    left = (after - at)[hit]
    counts = np.bincount(left, minlength=5)
    assert counts[1:5].min() > 0.9 * len(left) / 4 - 0.2 * len(left)
    assert set(left.tolist()) <= {-4, -3, -2, -1, 0, 1, 2, 3, 4}


def test_a_digit_keeps_its_brightness_wherever_it_moves():
    for x in clips(digits=1).test_dataset.__getitems__(range(10))["x"]:
        masses = (x + 1).sum((0, 2, 3))
        torch.testing.assert_close(masses, masses[:1].expand(9))


def test_two_digits_are_added_and_at_most_white():
    alone, both = clips(digits=1), clips()
    found = both.train_dataset.__getitems__(range(30))["x"]
    first = alone.train_dataset.__getitems__(range(30))["x"]
    assert (found >= first - 1e-6).all()  # the first digit of a clip is the same one
    assert found.max() == 1
    overlap = (found + 1).sum((1, 3, 4))
    assert (overlap.diff(dim=1).abs() > 1e-3).any()  # clipped where both are bright


def test_a_clip_is_a_function_of_its_index_and_the_seed_of_the_data():
    data, again = clips(seed=5), clips(workers=0, seed=6)
    whole = data.train_dataset.__getitems__(range(30))
    part = again.train_dataset.__getitems__([7, 3])
    assert torch.equal(part["x"], whole["x"][[7, 3]])
    assert data.fingerprint == again.fingerprint
    other = clips(data_seed=1)
    assert other.fingerprint != data.fingerprint
    assert not torch.equal(other.train_dataset.__getitems__([7])["x"], whole["x"][[7]])
    assert not torch.equal(data.test_dataset.__getitems__([7])["x"], whole["x"][[7]])


@pytest.mark.parametrize(
    "change", [{"stochastic": True}, {"speed": 2}, {"frames": 8}, {"clips": 31}]
)
def test_whatever_changes_clips_changes_the_fingerprint(change):
    assert clips(**change).fingerprint != clips().fingerprint


def test_one_digit_has_its_class_as_label():
    bank, data = Digits().train_dataset, clips(digits=1, size=16, frames=1, clips=3000)
    assert data.classes == 10
    assert torch.bincount(data.train_dataset.labels).min() > 200
    known = bank.__getitems__(range(len(bank)))["x"].flatten(1)
    batch = data.train_dataset.__getitems__(range(20))
    for canvas, label in zip(batch["x"][:, 0, 0], batch["label"], strict=True):
        cuts = canvas.unfold(0, 8, 1).unfold(1, 8, 1).reshape(-1, 64)  # at every place
        assert label in bank.labels[torch.cdist(cuts, known).min(0).values < 0.2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"digits": 3}, "1 digit or 2"),
        ({"size": 15}, "must be even"),
        ({"frames": 0}, "frames must be a positive"),
        ({"speed": 9}, "at most half of size"),
        ({"data_seed": -1}, "data_seed must be"),
    ],
)
def test_useless_numbers_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        clips(**options)
