"""Random colours of clips."""

import pytest
import torch
from torchvision.transforms.v2 import functional

from data import DataError, VideoFolder
from data.order import Draw
from data.videos.jitter import Jitter

PUBLISHED = {"brightness": 64 / 255, "contrast": 0.25, "saturation": 0.25, "hue": 0.04}


def clip(channels=3):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(channels, 3, 4, 4, generator=generator) * 0.6 - 0.4


def test_colours_are_a_function_of_the_key_and_stay_in_range():
    jitter, x = Jitter(**PUBLISHED), clip()
    state = torch.get_rng_state()
    found = [jitter(x, key) for key in range(20)]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(jitter(x, 7), found[7])
    assert len({round(one.mean().item(), 6) for one in found}) == 20
    assert torch.stack(found).abs().max() <= 1


def test_all_frames_change_by_the_same_factors():
    still = clip()[:, :1].expand(-1, 3, -1, -1)
    for key in range(5):
        changed = Jitter(**PUBLISHED)(still, key)
        assert torch.equal(changed, changed[:, :1].expand_as(changed))
        assert not torch.allclose(changed, still)


@pytest.mark.parametrize("name", PUBLISHED)
def test_factors_are_spread_over_their_range_by_torchvisions_definition(name):
    x, most = clip(), PUBLISHED[name]
    low, high = (-most, most) if name == "hue" else (1 - most, 1 + most)
    adjust = getattr(functional, f"adjust_{name}")
    frames = x.movedim(1, 0) / 2 + 0.5
    ends = [adjust(frames, end).movedim(0, 1) * 2 - 1 for end in (low, high)]
    found = [Jitter(**{name: most})(x, key) for key in range(200)]
    near = 0.03 * (ends[0] - ends[1]).abs().max()
    assert all(min((one - end).abs().max() for one in found) < near for end in ends)
    if name == "brightness":
        assert all((ends[0] - 1e-6 <= one).all() and (one <= ends[1] + 1e-6).all() for one in found)


def test_changes_come_in_any_order():
    x, orders = clip(), set()
    torch.testing.assert_close(Jitter()(x, 0), x)
    for key in range(20):
        turned = Jitter(hue=0.5)(x, key)
        both = Jitter(hue=0.5, contrast=0.5)(x, key)
        orders.add(torch.allclose(both, Jitter(contrast=0.5)(turned, key), atol=1e-5))
    assert orders == {True, False}


def test_grey_clips_change_in_brightness_and_contrast():
    grey = clip(1)
    assert not torch.allclose(Jitter(**PUBLISHED)(grey, 3), grey)
    torch.testing.assert_close(Jitter(saturation=0.5, hue=0.5)(grey, 3), grey)


def test_training_clips_alone_are_changed_and_none_is_cached(tmp_path, still):
    for name in "abc":
        still(tmp_path / name, first=12)
    options = {"size": 16, "frames": 4, "clips": "first", "workers": 0, "classes": False}
    plain, data = (
        VideoFolder(str(tmp_path), jitter=one, test_fraction=0.4, **options)
        for one in (None, Jitter(brightness=0.5))
    )
    assert (plain.views, data.views) == (("plain",), ())
    assert plain.fingerprint != data.fingerprint
    expected = plain.train_dataset.__getitems__([0])["x"]
    assert torch.equal(data.train_dataset.__getitems__([0])["x"], expected)
    changed = data.train_dataset.__getitems__([Draw(0, 5)])["x"]
    assert not torch.allclose(changed, expected)
    assert torch.equal(changed, data.train_dataset.__getitems__([0, Draw(0, 5)])["x"][1:])
    drawn = data.test_dataset.__getitems__([Draw(0, 5)])["x"]
    assert torch.equal(drawn, plain.test_dataset.__getitems__([0])["x"])


@pytest.mark.parametrize("bad", [{"brightness": -0.1}, {"hue": 0.6}, {"hue": -0.1}])
def test_numbers_out_of_range_are_refused(bad):
    with pytest.raises(DataError, match="colours change by 0 or more"):
        Jitter(**bad)
