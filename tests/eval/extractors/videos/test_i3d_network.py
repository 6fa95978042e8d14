"""I3D's size, padding and shortest clip; its branches are those of Inception-v1."""

import pytest
import torch
from torch.testing import assert_close

from eval.extractors.videos import i3d_network
from eval.extractors.videos.i3d_network import I3DNetwork, same


def test_it_has_as_many_parameters_as_published():
    with torch.device("meta"):
        network = I3DNetwork()
    assert sum(p.numel() for p in network.parameters()) == 12_697_264
    trunk = [p.numel() for name, p in network.named_parameters() if not name.startswith("logits")]
    assert sum(trunk) == 12_287_264


def test_nine_frames_are_enough_and_eight_are_not():
    with torch.device("meta"):
        network = I3DNetwork()
        for frames in (9, 16, 30):
            assert network(torch.zeros(1, 3, frames, 224, 224)).shape == (1, 400)
        with pytest.raises(RuntimeError, match="smaller than kernel"):
            network(torch.zeros(1, 3, 8, 224, 224))


def test_padding_is_tensorflows():
    x = torch.arange(1.0, 7.0).view(1, 1, 1, 1, 6)
    # Six columns under a kernel of 3 with stride 2: three outputs, padded by one at the end alone.
    assert same(x, (1, 1, 3), (1, 1, 2))[0, 0, 0, 0].tolist() == [1, 2, 3, 4, 5, 6, 0]
    assert same(x, (1, 1, 3), (1, 1, 1))[0, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 0]
    assert same(x, (1, 1, 7), (1, 1, 2)).shape[-1] == 6 + 5


def test_clips_do_not_see_one_another(monkeypatch):
    monkeypatch.setattr(i3d_network, "STEM", (2, 2, 3))
    narrow = {name: (1, 1, 2, 1, 1, 1) for name in i3d_network.BLOCKS}
    monkeypatch.setattr(i3d_network, "BLOCKS", narrow)
    network = I3DNetwork().eval()
    x = torch.randn(2, 3, 9, 224, 224, generator=torch.Generator().manual_seed(0))
    assert_close(network(x)[1:], network(x[1:]))
