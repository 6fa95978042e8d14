"""Networks of one window, applied to clips of several."""

import pytest
import torch
from torch import nn

from ldm.config.interfaces import hand_over
from ldm.networks.videos.windows import Windows

FLAT = "ldm.spaces.Flat"


class Summary(nn.Module):
    """One value a window, so that it tells which frames it has read."""

    def __init__(self) -> None:
        super().__init__()
        self.lengths = []

    def forward(self, x, scale=1.0):
        self.lengths.append(x.shape[2])
        return scale * x.mean((2, 3, 4), keepdim=True)


def test_each_window_is_read_alone_and_in_order():
    network, clip = Summary(), torch.randn(2, 3, 12, 4, 4)
    found = Windows(network, window=4, shape=[3, 12, 4, 4])(clip, scale=torch.tensor(2.0))
    assert torch.equal(found, 2 * clip.unflatten(2, (3, 4)).mean((3, 4, 5)).view(2, 3, 3, 1, 1))
    assert network.lengths == [4, 4, 4]


def test_latents_of_any_length_make_windows_of_frames():
    decoder = Windows(nn.Upsample(scale_factor=(4, 2, 2)), window=4, shape=[3, 12, 4, 4])
    assert decoder(torch.zeros(2, 3, 3, 2, 2)).shape == (2, 3, 12, 4, 4)


def test_what_is_inside_is_handed_the_sizes_of_a_window():
    target = "ldm.networks.videos.windows.Windows"
    node = {"_target_": target, "window": 16, "network": {"_target_": FLAT}}
    found = hand_over(node, {"shape": [3, 64, 8, 8]})
    assert found == {
        **node,
        "shape": [3, 64, 8, 8],
        "network": {"_target_": FLAT, "shape": [3, 16, 8, 8]},
    }


def test_clips_that_windows_do_not_fill_are_refused_with_a_length_that_they_do():
    with pytest.raises(ValueError, match=r"data\.frames=32"):
        Windows(nn.Identity(), window=16, shape=[3, 40, 8, 8])
