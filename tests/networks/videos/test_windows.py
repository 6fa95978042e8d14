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
    for latent in ([4], [4, 16, 2, 2]):  # channels alone, where the grid follows from the encoder
        found = hand_over(node, {"shape": [3, 64, 8, 8], "latent_shape": latent})
        assert found == {
            **node,
            "shape": [3, 64, 8, 8],
            "network": {"_target_": FLAT, "shape": [3, 16, 8, 8]},
        }


def test_clips_that_windows_do_not_fill_are_refused_with_a_length_that_they_do():
    with pytest.raises(ValueError, match=r"data\.frames=32"):
        Windows(nn.Identity(), window=16, shape=[3, 40, 8, 8])


class Smooth(nn.Module):
    """Two frames a latent, each the mean of two latents on either side and its own."""

    def forward(self, x):
        near = nn.functional.pad(x, (0, 0, 0, 0, 2, 2)).unfold(2, 5, 1)
        return near.mean(-1).repeat_interleave(2, 2)


@pytest.mark.parametrize("latents", [10, 12, 18])
def test_windows_that_overlap_by_what_a_decoder_sees_decode_as_one(latents):
    latent, frames = torch.randn(1, 2, latents, 1, 1), 2 * latents
    whole = Smooth()(latent)
    found = {}
    for overlap in (0, 4):
        decoder = Windows(Smooth(), window=frames // 2, shape=[2, frames, 1, 1], overlap=overlap)
        found[overlap] = decoder(latent)
        assert found[overlap].shape == whole.shape
    assert torch.allclose(found[4], whole)
    assert not torch.allclose(found[0], whole)


def test_an_odd_overlap_takes_one_more_from_the_window_before():
    class Places(nn.Module):
        def forward(self, x):
            return torch.arange(x.shape[2]).view(1, 1, -1, 1, 1)

    decoder = Windows(Places(), window=4, shape=[1, 8, 1, 1], overlap=3)
    assert decoder(torch.zeros(1, 1, 8, 1, 1)).flatten().tolist() == [0, 1, 2, 2, 2, 2, 2, 3]


def test_windows_that_overlap_entirely_are_refused():
    decoder = Windows(nn.Identity(), window=4, shape=[1, 8, 1, 1], overlap=4)
    with pytest.raises(ValueError, match="windows of 4 latents can overlap by up to 3, got 4"):
        decoder(torch.zeros(1, 1, 8, 1, 1))
