"""What a network sees of a point at each time, on networks whose hidden layers hand it on."""

import torch
from torch.testing import assert_close

from ldm.networks.points.point_features import FourierFeatures, RandomFourierFeatures
from ldm.networks.points.wave_mlp import WaveMLP


def read(model, x, t):
    """What the first layer is given."""
    seen = []
    model.blocks.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    model(x, t)
    return seen[0]


def test_waves_are_averages_over_a_normal_law_as_wide_as_the_way_left():
    model = WaveMLP([2], FourierFeatures(2, 3), gate=0.5).double()
    x = torch.tensor([[0.3, 2.0]], dtype=torch.float64)
    found = read(model, x, torch.tensor([0.6], dtype=torch.float64))[:, :12]
    noise = torch.randn(1_000_000, 2, generator=torch.Generator().manual_seed(0)).double()
    assert_close(found[0], model.waves(x + 0.5 * 0.4 * noise).mean(0), atol=3e-3, rtol=0)


def test_at_data_all_waves_are_there_and_without_a_gate_always():
    waves = RandomFourierFeatures(3, 16)
    x = torch.randn(4, 3)
    assert_close(read(WaveMLP([3], waves), x, torch.ones(4))[:, :32], waves(x))
    assert_close(read(WaveMLP([3], waves, gate=0.0), x, torch.rand(4))[:, :32], waves(x))


def test_angles_are_read_through_waves_alone():
    model = WaveMLP([2], FourierFeatures(2, 3), coordinates=False)
    torch.nn.init.normal_(model.head.weight)
    x, t = torch.rand(4, 2), torch.rand(4)
    assert_close(model(x, t), model(x + 2 * torch.pi, t), atol=1e-4, rtol=1e-4)


def test_it_begins_as_the_zero_field():
    model = WaveMLP([3, 2], RandomFourierFeatures(6, 16))
    assert model(torch.randn(4, 3, 2), torch.rand(4)).abs().max() == 0
